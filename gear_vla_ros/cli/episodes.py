"""`gear-vla episodes`: list, check, show, trim and repair recorded episodes."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gear_vla_ros.settings import RobotSpec, load_robot

COLOURS = {"warn": "yellow", "fail": "red"}
MIB = 1024**2


def episodes_in(path: Path) -> list[Path]:
    """The episode itself, or those in a folder, by name. Raises FileNotFoundError saying what an episode is."""
    if path.is_file() or _has_bag(path):
        return [path]
    found = sorted(one for one in path.glob("*") if _is_episode(one)) if path.is_dir() else []
    if not found:
        raise FileNotFoundError(
            f"{path}: no episode there; an episode is a folder with one .mcap, and of any name that begins with no dot"
        )
    return found


def _is_episode(path: Path) -> bool:
    """Also a folder of the recorder's that has no bag yet, so that a check can say so."""
    called = re.match(r"episode_\d+$", path.name) is not None
    return path.is_dir() and not path.name.startswith(".") and (called or _has_bag(path))


def _has_bag(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*.mcap"))


def show_list(path: Path, as_json: bool, console: Console) -> int:
    """One row an episode, from its metadata."""
    rows = [_summary(episode) for episode in episodes_in(path)]
    if as_json:
        print(json.dumps(rows))
        return 0
    table = Table("episode", "robot", "instruction", "outcome", "seconds", "MiB", "messages", "dropped")
    for row in rows:
        table.add_row(*(str(row[key]) for key in row))
    console.print(table)
    return 0


def check(paths: Iterable[Path], robot: str, repair: bool, as_json: bool, console: Console) -> int:
    """Findings of every episode; 0 when nothing failed, else 1."""
    from gear_vla_ros.recording import checks
    from gear_vla_ros.recording.survey import survey

    spec = load_robot(robot) if robot else None
    episodes = [episode for path in paths for episode in episodes_in(path)]
    if repair:
        mend(episodes, console)
    reports = {}
    shown = episodes if as_json else track(episodes, "checking", console=console, transient=True)
    for episode in shown:
        reports[episode] = _examined(episode, spec, survey, checks)
    failed = sum(any(one["verdict"] == "fail" for one in found) for found in reports.values())
    if as_json:
        print(json.dumps({str(episode): found for episode, found in reports.items()}))
        return 1 if failed else 0
    for episode, found in reports.items():
        console.print(f"[bold]{episode.name}[/]: {'good' if not found else ''}", highlight=False)
        for one in found:
            colour = COLOURS[one["verdict"]]
            console.print(
                f"  [{colour}]{one['verdict']}[/] {one['what']}: {one['where']}: {one['found']}", highlight=False
            )
            console.print(f"       {one['todo']}", style="dim", highlight=False)
    console.print(f"{len(reports)} episodes, {failed} failed")
    return 1 if failed else 0


def _examined(episode: Path, spec: RobotSpec | None, survey: Any, checks: Any) -> list[dict[str, str]]:
    from gear_vla_ros.recording.errors import RecordingError

    try:
        return [asdict(one) for one in checks.check(survey(episode, None), spec)]
    except RecordingError as error:
        return [asdict(checks.Finding("fail", "unreadable", str(episode), str(error), "nothing to save"))]


def mend(episodes: Iterable[Path], console: Console) -> int:
    """Repair each; 0 when all could be."""
    from gear_vla_ros.recording.errors import RecordingError
    from gear_vla_ros.recording.mending import repair

    failed = 0
    for episode in episodes:
        try:
            console.print(f"{episode}: {repair(episode)}", highlight=False)
        except RecordingError as error:
            failed += 1
            console.print(f"{error}", style="red", highlight=False)
    return 1 if failed else 0


def show(episode: Path, out: Path | None, robot: str, console: Console) -> int:
    """Contact sheet and curves as pictures."""
    from gear_vla_ros.recording.contact_sheet import save_contact_sheet
    from gear_vla_ros.recording.plots import save_plots
    from gear_vla_ros.recording.survey import survey

    seen = survey(episode, load_robot(robot) if robot else None)
    if seen.robot is None:
        raise ValueError(f"{episode}: has no robot.json; say --robot")
    folder = out or (episode if episode.is_dir() else episode.parent)
    folder.mkdir(parents=True, exist_ok=True)
    sheet = save_contact_sheet(episode, seen.robot, folder / "contact_sheet.png")
    plots = save_plots(seen, folder / "curves.png")
    console.print(f"{sheet}\n{plots}", highlight=False)
    return 0


def trim(episode: Path, begin_s: float, end_s: float, out: Path, console: Console) -> int:
    """A part as a new episode."""
    from gear_vla_ros.recording.mending import trim as cut

    console.print(f"{cut(episode, begin_s, end_s, out)}", highlight=False)
    return 0


def _summary(episode: Path) -> dict[str, Any]:
    file = episode / "metadata.yaml" if episode.is_dir() else episode.with_name("metadata.yaml")
    size = sum(p.stat().st_size for p in (episode.glob("*.mcap") if episode.is_dir() else [episode]))
    row: dict[str, Any] = {"episode": episode.name, "robot": "", "instruction": "", "outcome": "no metadata: repair"}
    row |= {"seconds": "", "mib": round(size / MIB, 1), "messages": "", "dropped": ""}
    if not file.is_file():
        return row
    about = yaml.safe_load(file.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
    custom = about.get("custom_data") or {}
    row |= {key: custom.get(key, "") for key in ("robot", "instruction", "outcome", "dropped")}
    seconds = round(about["duration"]["nanoseconds"] * 1e-9, 1)
    return row | {"seconds": seconds, "messages": about["message_count"]}
