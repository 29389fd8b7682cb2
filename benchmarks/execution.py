"""Continuity of execution: one stub policy, several latencies, four ways to follow its chunks, in simulated time.

    .venv/bin/pip install --no-deps openpi-client==0.1.2 dm-tree==0.1.10
    .venv/bin/python benchmarks/execution.py [--seconds 60] [--plot FILE]

The policy follows a smooth path: 30 steps of 1/30 s from the *measured* pose at capture, back to the path within 0.3 s,
with an error of its own for each chunk (3 mm, 0.01 rad, reached at the end). The robot lags its command by 50 ms. Ways:

- `switch`, `blend`, `ensemble`: `Follower` with that seam; a chunk is asked for when less than half of one is left.
- `openpi broker`: the `ActionChunkBroker` of openpi-client, action horizon half a chunk; it blocks while inferring.
- `linear 0.3/0.7`: a queue by step number; asked for at half a queue; where old and new overlap, 0.3 old + 0.7 new of
  position and rotation vector, element by element: the `weighted_average` of LeRobot's documentation.

A line a way and latency: ticks without a new command, ticks held for want of a plan, and the change of velocity from
tick to tick, which the robot's limit bounds to acceleration / 30.
"""

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gear_vla_ros.contracts import ActionChunk, ArmChunk, ArmState, Grade, Instruction, ManualClock, RobotState
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.geometry.so3 import Array
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.settings import RuntimeSpec, load_robot

HZ, STEPS, ARM = 30, 30, "right"
START_NS = 10**12
LATENCIES_MS, SHOWN = (50, 100, 200, 300, 500), (300, 0.2)
DT, LAG_S, RETURN_STEPS = 1.0 / HZ, 0.05, 9
ROBOT = load_robot("franka")
DOWN = so3.from_rpy(np.array([np.pi, 0.0, 0.0]))


def path(t: Array) -> Array:
    """Where the task wants the tool `[..., 4, 4]`: up to 0.25 m/s, 0.6 m/s^2, 0.6 rad/s."""
    xyz = np.stack([0.5 + 0.1 * np.sin(1.3 * t), 0.15 * np.sin(1.0 * t), 0.35 + 0.06 * np.sin(1.9 * t)], axis=-1)
    turn = np.stack([0.2 * np.sin(0.9 * t), np.zeros_like(t), 0.5 * np.sin(1.1 * t)], axis=-1)
    return se3.from_rotation_translation(so3.exp(turn) @ DOWN, xyz)


class Plant:
    """The policy's view of the world: time, a robot that lags its command, and chunks."""

    def __init__(self, latency_s: float, jitter: float) -> None:
        self.rng = np.random.default_rng(1)
        self.latency_s, self.jitter = latency_s, jitter
        self.t, self.measured = 0.0, path(np.array(0.0))
        self.commands: list[Array] = [self.measured]
        self.fresh: list[bool] = []

    def latency(self) -> float:
        return self.latency_s * (1.0 + self.jitter * self.rng.uniform(-1.0, 1.0))

    def chunk(self) -> tuple[float, Array, Array]:
        """Capture time, anchor, and the poses `[30, 4, 4]` in the base frame."""
        steps = np.arange(1, STEPS + 1)
        wanted = path(self.t + steps * DT)
        off = se3.difference(path(np.array(self.t)), self.measured)
        error = self.rng.normal(size=6) * np.array([0.003] * 3 + [0.01] * 3)
        part = np.maximum(0.0, 1.0 - steps / RETURN_STEPS)[:, None]
        return self.t, self.measured, se3.advance(wanted, part * off + (steps / STEPS)[:, None] * error)

    def tick(self, command: Array | None) -> None:
        """One period; without a command the robot keeps the last one."""
        self.fresh.append(command is not None)
        self.commands.append(self.commands[-1] if command is None else command)
        self.measured = se3.interpolate(self.measured, self.commands[-1], 1.0 - np.exp(-DT / LAG_S))
        self.t += DT


def as_chunk(planned: tuple[float, Array, Array], sequence: int) -> ActionChunk:
    """The plant's chunk as the policy would publish it."""
    stamp_s, anchor, poses = planned
    arms = {ARM: ArmChunk(anchor, se3.inverse(anchor) @ poses, np.ones(STEPS))}
    return ActionChunk(START_NS + round(stamp_s * 1e9), sequence, "stub", 1, sequence, arms)


def follow(seam: str) -> Callable[[Plant, float], int]:
    """Ours, with one observation in flight."""

    def way(plant: Plant, seconds: float) -> int:
        clock = ManualClock(START_NS)
        follower = Follower(ROBOT, RuntimeSpec.model_validate({"seam": seam}), clock)
        follower.on_instruction(Instruction(1, "follow the path"))
        joints = np.zeros(len(ROBOT.arm(ARM).joints))
        sequence, held = 0, 0
        waiting: ActionChunk | None = None
        arrival = 0.0
        while plant.t < seconds:
            follower.on_state(RobotState(clock.now_ns(), {ARM: ArmState(plant.measured, joints, joints, 1.0)}))
            if waiting is None and follower.status().remaining_s <= 0.5 * STEPS * DT:
                sequence += 1
                waiting, arrival = as_chunk(plant.chunk(), sequence), plant.t + plant.latency()
            if waiting is not None and plant.t >= arrival:
                follower.on_chunk(waiting)
                waiting = None
            target = follower.tick()
            assert target is not None
            held += target.grade >= Grade.HOLD and plant.t > 1.0
            plant.tick(target.arms[ARM].base_T_tcp)
            clock.advance(DT)
        return held

    return way


def broker(plant: Plant, seconds: float) -> int:
    """openpi-client's broker in its loop of observe, infer, act."""
    from openpi_client.action_chunk_broker import ActionChunkBroker
    from openpi_client.base_policy import BasePolicy

    class Stub(BasePolicy):  # type: ignore[misc]
        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            _, _, poses = plant.chunk()
            until = plant.t + plant.latency() - 1e-9
            while plant.t < until:
                plant.tick(None)
            return {"actions": poses}

    policy = ActionChunkBroker(Stub(), action_horizon=STEPS // 2)
    while plant.t < seconds:
        plant.tick(policy.infer({})["actions"])
    return 0


def linear(plant: Plant, seconds: float) -> int:
    """Queue by step number, asked for at half of it, overlaps averaged element by element."""
    queue: dict[int, Array] = {}
    done, waiting, arrival, first = -1, None, 0.0, 0
    while plant.t < seconds:
        if waiting is None and len(queue) <= STEPS // 2:
            waiting, arrival, first = plant.chunk()[2], plant.t + plant.latency(), done + 1
        if waiting is not None and plant.t >= arrival:
            for number, pose in enumerate(waiting, start=first):
                new = np.concatenate([pose[:3, 3], so3.log(pose[:3, :3])])
                if number > done:
                    queue[number] = 0.3 * queue[number] + 0.7 * new if number in queue else new
            waiting = None
        row = queue.pop(done + 1, None)
        if row is not None:
            done += 1
        plant.tick(None if row is None else se3.from_rotation_translation(so3.exp(row[3:]), row[:3]))
    return 0


def figures(plant: Plant, held: int) -> dict[str, float]:
    """Of the commands after the first second."""
    commands = np.stack(plant.commands[HZ:])
    twists = se3.difference(commands[:-1], commands[1:]) / DT
    change = np.diff(twists, axis=0)
    linear_, angular = np.linalg.norm(change[:, :3], axis=-1) * 1e3, np.linalg.norm(change[:, 3:], axis=-1)
    limits = ROBOT.arm(ARM).safety
    over = (linear_ > limits.max_linear_acceleration * DT * 1e3 + 1e-3) | (
        angular > limits.max_angular_acceleration * DT + 1e-6
    )
    gaps = np.diff(np.flatnonzero(plant.fresh[HZ:])) * DT * 1e3
    times = (np.arange(len(plant.commands)) * DT)[HZ:]
    away = np.linalg.norm(commands[:, :3, 3] - path(times)[:, :3, 3], axis=-1) * 1e3
    return {
        "starved_ticks": int(np.sum(~np.array(plant.fresh[HZ:]))),
        "held_ticks": held,
        "gap_p99_ms": round(float(np.percentile(gaps, 99)), 1),
        "gap_max_ms": round(float(gaps.max()), 1),
        "dv_p99_mm_s": round(float(np.percentile(linear_, 99)), 1),
        "dv_max_mm_s": round(float(linear_.max()), 1),
        "jump_max_mm": round(float(linear_.max() * DT), 2),
        "dw_max_deg_s": round(float(np.degrees(angular.max())), 1),
        "ticks_over_limit": int(over.sum()),
        "off_path_rms_mm": round(float(np.sqrt(np.mean(away**2))), 1),
    }


def draw(plants: dict[str, Plant], found: dict[str, list[float]], out: Path) -> None:
    """Speed of the commands over three seconds at `SHOWN`, and the worst change of velocity by latency."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    for name, plant in plants.items():
        twists = se3.difference(np.stack(plant.commands[:-1]), np.stack(plant.commands[1:])) / DT
        times = np.arange(len(twists)) * DT
        shown = (times >= 4.0) & (times < 7.0)
        left.plot(times[shown], np.linalg.norm(twists[shown, :3], axis=1) * 1e3, label=name, lw=1.4)
        right.plot(LATENCIES_MS, found[name], marker="o", label=name)
    limit = ROBOT.arm(ARM).safety.max_linear_acceleration * DT * 1e3
    right.axhline(limit, color="grey", ls="--", lw=1, label="the robot's limit")
    left.set(xlabel="time [s]", ylabel="commanded speed [mm/s]", title=f"{SHOWN[0]} ms latency, +-{SHOWN[1]:.0%}")
    right.set(xlabel="latency [ms]", ylabel="worst change of velocity a tick [mm/s]", yscale="log", title="all of 60 s")
    right.legend(fontsize=8)
    figure.savefig(out, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--plot", type=Path, help="where to draw a picture (.png)")
    options = parser.parse_args()
    if importlib.util.find_spec("openpi_client") is None:
        parser.error("openpi-client is not installed; the first lines of this file say how")
    seconds = options.seconds
    ways = {seam: follow(seam) for seam in ("switch", "blend", "ensemble")}
    ways |= {"openpi broker": broker, "linear 0.3/0.7": linear}
    plants: dict[str, Plant] = {}
    worst: dict[str, list[float]] = {name: [] for name in ways}
    for jitter in (0.0, 0.2):
        for latency_ms in LATENCIES_MS:
            for name, way in ways.items():
                plant = Plant(latency_ms * 1e-3, jitter)
                held = way(plant, seconds)
                made = figures(plant, held)
                print(json.dumps({"latency_ms": latency_ms, "jitter": jitter, "way": name} | made))
                if jitter == SHOWN[1]:
                    worst[name].append(made["dv_max_mm_s"])
                if (latency_ms, jitter) == SHOWN:
                    plants[name] = plant
    if options.plot:
        draw(plants, worst, options.plot)


if __name__ == "__main__":
    main()
