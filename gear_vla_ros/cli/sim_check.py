"""`gear-vla sim check`: the scripted expert's success by physics, with its interval of confidence."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.cli.statistics import wilson
from gear_vla_ros.contracts import Instruction
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.sim.blurred import Blurred
from gear_vla_ros.sim.episode import Episode, Outcome, Timing
from gear_vla_ros.sim.randomise import check_task, random_scene
from gear_vla_ros.sim.world import World

FAILURES_TOLD = 10


@dataclass(frozen=True)
class Attempt:
    """One scene. cpu_s: of this process for it."""

    seed: int
    instruction: str
    outcome: Outcome
    cpu_s: float


def run(
    robot: str,
    task: str,
    seeds: Sequence[int],
    jobs: int,
    limit_s: float,
    blur_m: float,
    at_least: float,
    console: Console,
) -> int:
    """0 when the share of successes is `at_least`. blur_m: see `Blurred`.

    Raises ValueError or FileNotFoundError on unknown names.
    """
    spec = load_robot(robot)
    check_task(spec, task)
    begun_s = time.monotonic()
    one = functools.partial(attempt, spec, task, limit_s, blur_m)
    attempts = sorted(spread(one, seeds, jobs, f"{spec.name} {task}", console), key=lambda found: found.seed)
    wall_s = time.monotonic() - begun_s
    failed = [found for found in attempts if not found.outcome.success]
    for found in failed[:FAILURES_TOLD]:
        console.print(f"  seed {found.seed}: '{found.instruction}': {found.outcome.reason}", highlight=False)
    done, share = len(attempts) - len(failed), 1 - len(failed) / len(attempts)
    low, high = wilson(done, len(attempts))
    simulated_s, cpu_s = (sum(values) for values in zip(*((a.outcome.seconds, a.cpu_s) for a in attempts), strict=True))
    console.print(
        f"{spec.name} {task}: {done} of {len(attempts)} = {share:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"{np.median([a.outcome.seconds for a in attempts]):.1f} s in the median", highlight=False,
    )  # fmt: skip
    console.print(
        f"{simulated_s:.0f} simulated s in {wall_s:.0f} s with {jobs} jobs, {simulated_s / cpu_s:.1f} times real time "
        "a core", highlight=False,
    )  # fmt: skip
    return 0 if share >= at_least else 1


def attempt(spec: RobotSpec, task: str, limit_s: float, blur_m: float, seed: int) -> Attempt:
    """The expert in the scene of one seed."""
    from gear_vla_ros.policies.expert import ExpertPolicy

    begun_s = time.process_time()
    scene = random_scene(spec, task, seed)
    world = World(spec, seed, scene)
    policy = Blurred(ExpertPolicy(spec), blur_m, seed) if blur_m else ExpertPolicy(spec)
    outcome = Episode(world, policy, Instruction(1, scene.instruction), Timing(limit_s=limit_s)).run()
    return Attempt(seed, scene.instruction, outcome, time.process_time() - begun_s)
