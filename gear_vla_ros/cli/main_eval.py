"""`gear-vla eval`."""

from pathlib import Path
from typing import Annotated

import typer

from gear_vla_ros.cli.options import AnyPolicy, Backend, Checkpoint, Robot, Seed, console, option
from gear_vla_ros.settings import RuntimeSpec

app = typer.Typer()
STEPS_MAX = RuntimeSpec().rtc_steps_max


@app.command("eval")
def evaluate(
    out: Annotated[Path, typer.Option("-o", "--out", help="new folder of results.json, the plot and the videos")],
    robot: Robot = "franka",
    task: Annotated[str, typer.Option(help="lift, place, or with two arms handover, flip_label")] = "lift",
    policy: AnyPolicy = "auto",
    checkpoint: Checkpoint = "",
    episodes: Annotated[int, typer.Option(min=1, max=100_000, help="how many scenes")] = 100,
    seed_from: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="seed of the first scene")] = 10_000,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="processes; each loads the policy once")] = 2,
    seam: Annotated[str, option("seam")] = "auto",
    rtc_steps_max: Annotated[int, typer.Option(min=1, max=29, help="with rtc: steps given at most")] = STEPS_MAX,
    slow_hz: Annotated[float, typer.Option(min=0.1, max=100, help="slow passes a second")] = 5.0,
    fast_hz: Annotated[float, typer.Option(min=0.1, max=100, help="fast passes a second")] = 10.0,
    slow_ms: Annotated[float, typer.Option(min=0, max=5000, help="latency of a slow pass")] = 80.0,
    fast_ms: Annotated[float, typer.Option(min=0, max=2000, help="latency of a fast pass")] = 30.0,
    latency_ms: Annotated[float, typer.Option(min=0, max=2000, help="injected beside it into each chunk")] = 0.0,
    synchronous: Annotated[bool, typer.Option(help="the robot holds still while the policy computes")] = False,
    execute: Annotated[float, typer.Option(min=0.1, max=2, help="with --synchronous: seconds of each chunk")] = 0.5,
    switch_at: Annotated[float, typer.Option(min=0, max=600, help="name another object after so long [s]")] = 0.0,
    held_out: Annotated[bool, typer.Option("--held-out", help="wordings that training data never has")] = False,
    shift: Annotated[bool, typer.Option("--shift", help="other light, table colour, head camera moved 3 cm")] = False,
    limit: Annotated[float, typer.Option(min=1, max=600, help="simulated seconds an episode")] = 20.0,
    videos: Annotated[int, typer.Option(min=0, max=100, help="of the first successes and as many failures")] = 0,
    seed: Seed = 0,
    backend: Backend = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Run a policy in closed loop in scenes that training never saw; success by physics, with its interval."""
    from gear_vla_ros.cli import eval as command
    from gear_vla_ros.cli.eval_episode import Evaluation
    from gear_vla_ros.cli.shipped import chosen, chosen_seam

    policy, checkpoint = chosen(policy, checkpoint, robot, task)
    wanted = Evaluation(
        robot=robot,
        task=task,
        policy=policy,
        checkpoint=checkpoint,
        backend=backend,
        noise_seed=seed,
        seam=chosen_seam(seam, policy, checkpoint),
        rtc_steps_max=rtc_steps_max,
        slow_hz=slow_hz,
        fast_hz=fast_hz,
        slow_ms=slow_ms,
        fast_ms=fast_ms,
        latency_ms=latency_ms,
        execute_s=execute if synchronous else 0.0,
        switch_at_s=switch_at,
        held_out=held_out,
        shift=shift,
        limit_s=limit,
    )
    seeds = range(seed_from, seed_from + episodes)
    raise typer.Exit(command.run(wanted, seeds, jobs, out, videos, as_json, console))
