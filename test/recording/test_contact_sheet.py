"""The contact sheet shows what was current, draws chunks where they are, and does without what is missing."""

from pathlib import Path

import numpy as np
import pytest
import synthetic
from PIL import Image

from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.contact_sheet import ARM_COLOURS, COLUMNS, WIDTH, save_contact_sheet
from gear_vla_ros.recording.episodes import new_folder
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.frames import FrameTree, Pinhole
from gear_vla_ros.recording.moments import read_moments, spread
from gear_vla_ros.recording.topics import topics_of
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions
from gear_vla_ros.settings import RobotSpec, load_robot

SECOND = 10**9
BEGIN = 1_790_000_000 * SECOND
SECONDS = 8
LOOKS_DOWN = np.diag([1.0, -1.0, -1.0])
"""Optical frame above the table: x along the base's x, z down."""


@pytest.fixture(scope="module")
def robot() -> RobotSpec:
    return load_robot("franka")


def base_T_camera(x: float = 0.5, z: float = 1.0) -> np.ndarray:
    return se3.from_rotation_translation(LOOKS_DOWN, np.array([x, 0.0, z]))


def picture(camera, share: float) -> np.ndarray:
    """A gradient with a bar that moves as time goes by."""
    height, width = camera.height, camera.width
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = 70, np.linspace(60, 120, height)[:, None], 90
    pixels[:, int(share * (width - 40)) : int(share * (width - 40)) + 40] = 200
    return pixels


def chunk(ns: int, sequence: int, frame: str, share: float) -> bytes:
    """From above the middle to the right, 30 steps, closing at step 15."""
    reach = np.linspace(0, 0.2, 31)[1:]
    poses = [
        synthetic.pose(se3.from_rotation_translation(np.eye(3), np.array([r, 0.3 * r * share, 0.0]))) for r in reach
    ]
    arm = synthetic.make(
        "gear_vla_ros/ArmChunk",
        arm="right",
        anchor=synthetic.make(
            "geometry_msgs/PoseStamped",
            header=synthetic.header(ns, frame),
            pose=synthetic.pose(se3.from_rotation_translation(np.eye(3), np.array([0.5, 0.0, 0.2]))),
        ),
        anchor_t_tcp=poses,
        gripper=np.where(np.arange(30) < 15, 1.0, 0.0),
    )
    return synthetic.cdr(
        synthetic.make(
            "gear_vla_ros/ActionChunk", header=synthetic.header(ns), sequence=sequence, model_id="expert",
            instruction_id=1, latent_sequence=sequence, rate_hz=30.0, produced=synthetic.stamp(ns), arms=[arm],
        )
    )  # fmt: skip


def record(root: Path, robot: RobotSpec, leave_out: frozenset[str] = frozenset(), chunks_from: float = 0.0) -> Path:
    writer = EpisodeWriter(
        new_folder(root), topics_of(robot), {"robot": robot.name, "instruction": "from the metadata"},
        options=WriterOptions(reserve_bytes=0),
    )  # fmt: skip
    base = robot.arms[0].base_frame

    def write(topic: str, ns: int, data: bytes) -> None:
        if topic not in leave_out:
            writer.write(topic, ns, ns, data)

    for i in range(SECONDS * 5 + 1):
        ns, share = BEGIN + i * SECOND // 5, i / (SECONDS * 5)
        frames = {camera.frame: base_T_camera() for camera in robot.cameras}
        write("/tf", ns, synthetic.transforms(ns, base, frames))
        write("/gear_vla/instruction", ns, synthetic.instruction(ns, "pick up the red cube"))
        if share >= chunks_from:
            write("/gear_vla/chunk", ns, chunk(ns, i, base, share))
        for camera in robot.cameras:
            write(camera.info_topic, ns, synthetic.camera_info(ns, camera))
            write(camera.topic, ns, synthetic.image(ns, picture(camera, share), camera.frame, camera.encoding))
    writer.close({"outcome": "success"})
    assert writer.error == ""
    return writer.path


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory, robot: RobotSpec) -> Path:
    return record(tmp_path_factory.mktemp("episodes"), robot)


def coloured(path: Path, colour: tuple[int, int, int]) -> int:
    """Pixels of nearly that colour above the legend."""
    pixels = np.asarray(Image.open(path), np.int32)[:-60]
    return int((np.abs(pixels - colour).max(axis=-1) < 40).sum())


def test_the_sheet_shows_the_chunk_in_every_picture(episode: Path, robot: RobotSpec, tmp_path: Path) -> None:
    path = save_contact_sheet(episode, robot, tmp_path / "new" / "sheet.png")
    with Image.open(path) as sheet:
        assert sheet.width == WIDTH
        assert sheet.height > 300
    assert coloured(path, ARM_COLOURS["right"]) > 40 * COLUMNS * len(robot.cameras)


@pytest.mark.parametrize("topic", ["/tf", "/gear_vla/chunk"])
def test_without_transforms_or_chunks_there_are_pictures_without_lines(
    robot: RobotSpec, tmp_path: Path, topic: str
) -> None:
    path = save_contact_sheet(record(tmp_path, robot, frozenset({topic})), robot, tmp_path / "sheet.png")
    assert coloured(path, ARM_COLOURS["right"]) == 0
    assert coloured(path, (200, 200, 200)) > 1000


def test_a_missing_camera_leaves_its_row_empty(robot: RobotSpec, tmp_path: Path, episode: Path) -> None:
    lost = robot.cameras[0]
    without = record(tmp_path, robot, frozenset({lost.topic, lost.info_topic}))
    sheets = [save_contact_sheet(folder, robot, tmp_path / f"{i}.png") for i, folder in enumerate((episode, without))]
    lines = [coloured(sheet, ARM_COLOURS["right"]) for sheet in sheets]
    share = (len(robot.cameras) - 1) / len(robot.cameras)
    assert lines[1] == pytest.approx(share * lines[0], rel=0.5)


def test_only_camera_info_missing_uses_the_yaml(robot: RobotSpec, tmp_path: Path, episode: Path) -> None:
    without = record(tmp_path, robot, frozenset(camera.info_topic for camera in robot.cameras))
    sheets = [save_contact_sheet(folder, robot, tmp_path / f"{i}.png") for i, folder in enumerate((episode, without))]
    with Image.open(sheets[0]) as a, Image.open(sheets[1]) as b:
        first, second = np.asarray(a, np.int32)[136:-60], np.asarray(b, np.int32)[136:-60]
    assert np.abs(first - second).max() == 0


def test_nothing_recorded_is_refused(robot: RobotSpec, tmp_path: Path) -> None:
    everything = frozenset(topic.name for topic in topics_of(robot))
    with pytest.raises(RecordingError, match="no messages"):
        save_contact_sheet(record(tmp_path, robot, everything), robot, tmp_path / "sheet.png")


def test_moments_hold_what_was_the_newest(episode: Path, robot: RobotSpec) -> None:
    read = read_moments(episode, robot, COLUMNS)
    assert len(read.moments) == COLUMNS
    assert read.about["outcome"] == "success"
    assert [moment.instruction for moment in read.moments] == ["pick up the red cube"] * COLUMNS
    for moment in read.moments:
        age_ns = moment.log_ns - (BEGIN + moment.chunk.sequence * SECOND // 5)
        assert 0 <= age_ns < SECOND // 5
        assert moment.log_ns - moment.images["head"].stamp_ns == age_ns


def test_after_the_start_the_moments_are_those_of_motion(robot: RobotSpec, tmp_path: Path) -> None:
    read = read_moments(record(tmp_path, robot, chunks_from=0.5), robot, COLUMNS)
    assert [moment.chunk is not None for moment in read.moments] == [False, *[True] * (COLUMNS - 1)]
    assert read.moments[0].log_ns == read.first_ns == BEGIN
    assert read.moments[1].log_ns == BEGIN + SECONDS * SECOND // 2
    assert read.moments[-1].log_ns == read.last_ns == BEGIN + SECONDS * SECOND


def test_two_moments_lie_in_the_last_second() -> None:
    times = spread(0, 20 * SECOND, 6)
    assert times[0] == 0
    assert times[-1] == 20 * SECOND
    assert times == sorted(times)
    assert sum(t > 19 * SECOND for t in times) == 2
    assert spread(5, 5, 6) == [5] * 6


def test_the_tree_joins_frames_over_their_common_ancestor() -> None:
    world_T_a, a_T_b, world_T_c = (se3.exp(np.array([0.1, 0.2, 0.3, *turn])) for turn in np.eye(3))
    tree = FrameTree(
        [synthetic.transforms_message(0, "world", {"a": world_T_a, "c": world_T_c}),
         synthetic.transforms_message(0, "a", {"b": a_T_b})]
    )  # fmt: skip
    found = tree.between("b", "c")
    assert found is not None
    np.testing.assert_allclose(found, se3.inverse(world_T_a @ a_T_b) @ world_T_c, atol=1e-12)
    assert tree.between("b", "elsewhere") is None


def test_a_loop_of_frames_ends() -> None:
    messages = [synthetic.transforms_message(0, a, {b: np.eye(4)}) for a, b in (("a", "b"), ("b", "a"))]
    assert FrameTree(messages).between("a", "z") is None


def test_projection_hits_the_principal_point_and_scales() -> None:
    camera = Pinhole(640, 480, 600.0, 600.0, 319.5, 239.5)
    pixels = camera.project(np.array([[0.0, 0.0, 1.0], [0.1, 0.0, 1.0], [0.0, 0.0, -1.0]]))
    np.testing.assert_allclose(pixels[:2], [[319.5, 239.5], [379.5, 239.5]])
    assert np.isnan(pixels[2]).all()
    np.testing.assert_allclose(camera.scaled(320, 240).project(np.array([[0.1, 0.0, 1.0]])), [[189.5, 119.5]])
