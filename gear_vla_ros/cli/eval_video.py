"""Evaluated episodes as MP4: all views beside each other, what was said above them, what came of it below."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gear_vla_ros.cli.eval_episode import Attempt, Evaluation
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.measuring import TRACE_HZ

LINE, TEXT = 22, 14
INK, PAPER, GOOD, BAD = (28, 30, 33), (250, 250, 248), (20, 120, 60), (190, 40, 30)
END_S = 1.0


def save_videos(evaluation: Evaluation, attempts: list[Attempt], count: int, folder: Path) -> list[Path]:
    """The first `count` successes and as many failures; their files. Drawn anew from where everything was."""
    successes = [one for one in attempts if one.outcome.success][:count]
    failures = [one for one in attempts if not one.outcome.success][:count]
    return [_save(evaluation, one, folder) for one in (*successes, *failures)]


def _save(evaluation: Evaluation, one: Attempt, folder: Path) -> Path:
    from gear_vla_ros.recording.dataset.video import VideoWriter
    from gear_vla_ros.sim.eyes import Cameras
    from gear_vla_ros.sim.world import World

    spec = load_robot(evaluation.robot)
    world = World(spec, scene=evaluation.scene(spec, one.seed))
    file = folder / f"{'success' if one.outcome.success else 'failure'}_{one.seed}.mp4"
    sim, views = spec.sim, len(spec.cameras)
    size = _even(sim.camera_width * views), _even(sim.camera_height + 2 * LINE)
    writer, eyes = VideoWriter(file, round(TRACE_HZ), *size), Cameras(world)
    try:
        for index, (qpos, said) in enumerate(zip(one.trace, one.said, strict=True)):
            world.data.qpos[:] = qpos
            eyes.take(world)
            pictures = np.concatenate(list(eyes.images().values()), axis=1)
            is_last = index == len(one.trace) - 1
            told = one.outcome.reason if is_last else f"{index / TRACE_HZ:.1f} s"
            colour = (GOOD if one.outcome.success else BAD) if is_last else INK
            writer.add(_frame(pictures, size, said, told, colour), round(END_S * TRACE_HZ) if is_last else 1)
        writer.close()
    finally:
        eyes.close()
    return file


def _even(pixels: int) -> int:
    """H.264 takes even sizes only."""
    return pixels + pixels % 2


def _frame(
    pictures: NDArray[np.uint8], size: tuple[int, int], said: str, told: str, ink: tuple[int, int, int]
) -> NDArray[np.uint8]:
    sheet = Image.new("RGB", size, PAPER)
    sheet.paste(Image.fromarray(pictures), (0, LINE))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    pen.text((6, 3), said, INK, font)
    pen.text((6, LINE + pictures.shape[0] + 3), told, ink, font)
    return np.asarray(sheet)
