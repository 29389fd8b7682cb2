"""Makes a cut episode readable for every tool, and cuts a part out of one; messages are copied as they are."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from mcap.records import Attachment, Channel, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer

from gear_vla_ros.recording.episodes import WrittenTopic, bag_metadata, new_folder, offered_qos
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.h264 import is_whole, packet_of
from gear_vla_ros.recording.reader import EpisodeReader, RawMessage
from gear_vla_ros.recording.sealing import complete_bytes, seal
from gear_vla_ros.recording.topics import VIDEO

METADATA = "metadata.yaml"
TAIL = ".tail"


def repair(path: Path) -> str:
    """Give a cut file its end, and the folder its metadata.yaml where it has none; one line says what was done.

    What is incomplete at the file's end is kept beside it, as `<file>.tail`; nothing is lost. Raises RecordingError
    when there is no episode, or nothing complete in it.
    """
    reader = EpisodeReader(path)
    counts = _written(reader)
    done = []
    if reader.problem:
        kept, size = complete_bytes(reader.file), reader.file.stat().st_size
        if not counts:
            raise RecordingError(f"{reader.file}: not one complete message in {size} bytes; nothing was changed")
        if kept < size:
            _keep_tail(reader.file, kept)
        seal(reader.file)
        done.append(f"end written, {size - kept} bytes of an incomplete record kept in {reader.file.name}{TAIL}")
    metadata = reader.file.parent / METADATA
    if not metadata.exists():
        _write_metadata(reader.file, counts, {**reader.about, "outcome": "interrupted"})
        done.append(f"{METADATA} written")
    return "; ".join(done) or "nothing to repair"


def trim(path: Path, begin_s: float, end_s: float, root: Path) -> Path:
    """Copy seconds `begin_s` to `end_s` of an episode, counted from its first message, into a new episode below `root`.

    What is latched and was said before comes along; of video, the pictures from the last whole one on, with their own
    times. Raises RecordingError for a window without messages.
    """
    reader = EpisodeReader(path)
    times = [raw.log_ns for raw in reader.raw()]
    if not times:
        raise RecordingError(f"{reader.file}: no messages to cut from")
    first_ns = min(times)
    window = first_ns + round(begin_s * 1e9), first_ns + round(end_s * 1e9)
    if not any(window[0] <= t <= window[1] for t in times):
        length_s = (max(times) - first_ns) * 1e-9
        raise RecordingError(f"{reader.file}: nothing from {begin_s:g} to {end_s:g} s, it is {length_s:.1f} s long")
    folder = new_folder(root)
    copy = folder / f"{folder.name}_0.mcap"
    with reader.file.open("rb") as source, copy.open("xb") as stream:
        _copy(source, stream, window)
    copied = EpisodeReader(copy)
    _write_metadata(copy, _written(copied), {**copied.about, "trimmed_from": str(reader.file.parent.name)})
    return folder


class _RunUp:
    """A video's messages before the window, from its last whole picture on."""

    def __init__(self) -> None:
        self._kept: list[Message] = []

    def before(self, message: Message) -> None:
        """A message before the window."""
        if is_whole(packet_of(message.data)):
            self._kept.clear()
        self._kept.append(message)

    def needed_by(self, message: Message) -> list[Message]:
        """What a message in the window is decoded from and is not in the copy yet."""
        kept, self._kept = self._kept, []
        return [] if kept and is_whole(packet_of(message.data)) else kept


def _copy(source: object, stream: object, window: tuple[int, int]) -> None:
    writer = Writer(stream, compression=CompressionType.NONE)  # type: ignore[arg-type]
    writer.start("ros2", "gear_vla_ros")
    schemas: dict[int, int] = {}
    names: dict[int, str] = {}
    channels: dict[int, int] = {}
    latched: dict[int, Message] = {}
    lasting: set[int] = set()
    videos: dict[int, _RunUp] = {}
    begun = False
    for record in StreamReader(source).records:  # type: ignore[arg-type]
        if isinstance(record, Schema):
            schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
            names[record.id] = record.name
        elif isinstance(record, Channel):
            channels[record.id] = writer.register_channel(
                record.topic, record.message_encoding, schemas[record.schema_id], dict(record.metadata)
            )
            if names[record.schema_id] == VIDEO:
                videos.setdefault(record.id, _RunUp())
            if "durability: 1" in record.metadata.get("offered_qos_profiles", ""):
                lasting.add(record.id)
        elif isinstance(record, Metadata):
            writer.add_metadata(record.name, dict(record.metadata))
        elif isinstance(record, Attachment):
            writer.add_attachment(record.create_time, record.log_time, record.name, record.media_type, record.data)
        elif isinstance(record, Message):
            if record.log_time < window[0]:
                if record.channel_id in lasting:
                    latched[record.channel_id] = record
                if record.channel_id in videos:
                    videos[record.channel_id].before(record)
                continue
            if not begun:
                begun = True
                for one in latched.values():
                    _put(writer, channels, one, window[0])
            if record.log_time <= window[1]:
                for one in videos[record.channel_id].needed_by(record) if record.channel_id in videos else ():
                    _put(writer, channels, one, one.log_time)
                _put(writer, channels, record, record.log_time)
    writer.finish()


def _put(writer: Writer, channels: Mapping[int, int], message: Message, log_ns: int) -> None:
    writer.add_message(channels[message.channel_id], log_ns, message.data, message.publish_time, message.sequence)


def _written(reader: EpisodeReader) -> dict[str, list[RawMessage]]:
    """First and last message of each topic, and how many; pictures are not kept."""
    found: dict[str, list[RawMessage]] = {}
    for raw in reader.raw():
        found.setdefault(raw.topic, []).append(raw._replace(data=b""))
    return found


def _write_metadata(file: Path, counts: Mapping[str, list[RawMessage]], about: Mapping[str, str]) -> None:
    latched = {"/tf_static", "/robot_description", "/gear_vla/instruction"}
    topics = [
        WrittenTopic(topic, raws[0].type, "", offered_qos(True, topic in latched, 100), len(raws))
        for topic, raws in counts.items()
    ]
    times = [raw.log_ns for raws in counts.values() for raw in raws]
    text = bag_metadata(file.name, topics, min(times), max(times), about)
    with (file.parent / METADATA).open("x", encoding="utf-8") as stream:
        stream.write(text)


def _keep_tail(file: Path, kept: int) -> None:
    with file.open("rb") as source, file.with_name(file.name + TAIL).open("xb") as tail:
        source.seek(kept)
        shutil.copyfileobj(source, tail)
