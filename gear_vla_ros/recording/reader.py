"""Reads episodes back, message by message, with the definitions that are inside the bag."""

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mcap.exceptions import McapError
from mcap.records import Attachment, Channel, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from rosbags.typesys.store import Typestore

from gear_vla_ros.recording.definitions import register
from gear_vla_ros.recording.errors import RecordingError


class RawMessage(NamedTuple):
    """One message as it is in the bag; both times in nanoseconds."""

    topic: str
    type: str
    log_ns: int
    publish_ns: int
    data: bytes


class EpisodeReader:
    """One pass over an episode, in the order of writing. Memory: one MCAP chunk.

    about: the episode's metadata, filled while reading; attachments alike. problem: empty, or in one line why
    reading ended before the file's proper end.
    """

    def __init__(self, path: Path, checksums: bool = True) -> None:
        """path: an episode's folder, or an .mcap. checksums: false for one that was read with them before.

        Raises RecordingError if there is none.
        """
        self.file, self._checksums = _mcap_file(path), checksums
        self.about: dict[str, str] = {}
        self.attachments: dict[str, bytes] = {}
        self.problem = ""
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._types = Typestore()
        self._known: set[str] = set()

    def raw(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages of `topics` (None: all) as bytes. A damaged end stops it and is told in `problem`."""
        with self.file.open("rb") as stream:
            try:
                for record in StreamReader(stream, validate_crcs=self._checksums).records:
                    if isinstance(record, Message):
                        channel = self._channels[record.channel_id]
                        if topics is None or channel.topic in topics:
                            type_name = self._schemas[channel.schema_id].name
                            yield RawMessage(
                                channel.topic, type_name, record.log_time, record.publish_time, record.data
                            )
                    else:
                        self._note(record)
            except (McapError, struct.error, KeyError, ValueError, EOFError) as error:
                self.problem = f"{self.file}: ends early at byte {stream.tell()}: {error or type(error).__name__}"

    def messages(self, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
        """(topic, log time [ns], message) of `topics` (None: all); arrays of numbers are numpy arrays."""
        for raw in self.raw(topics):
            yield raw.topic, raw.log_ns, self.decode(raw)

    def decode(self, raw: RawMessage) -> Any:
        """The message in a raw message of this episode; arrays of numbers are numpy arrays."""
        if raw.type not in self._known:
            self._register(raw.type)
            self._known.add(raw.type)
        return self._types.deserialize_cdr(raw.data, raw.type)

    def _note(self, record: Any) -> None:
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._channels[record.id] = record
        elif isinstance(record, Metadata):
            self.about |= record.metadata
        elif isinstance(record, Attachment):
            self.attachments[record.name] = record.data

    def _register(self, type_name: str) -> None:
        schema = next(s for s in self._schemas.values() if s.name == type_name)
        register(self._types, type_name, schema.data.decode())


def read_messages(path: Path, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
    """(topic, log time [ns], message) of an episode; of a damaged one as far as it goes. Raises RecordingError."""
    yield from EpisodeReader(path).messages(topics)


def _mcap_file(path: Path) -> Path:
    if path.is_dir():
        files = sorted(path.glob("*.mcap"))
        if len(files) != 1:
            raise RecordingError(f"{path}: {len(files)} .mcap files, an episode has one")
        path = files[0]
    if not path.is_file():
        raise RecordingError(f"{path}: no such episode")
    if path.stat().st_size == 0:
        raise RecordingError(f"{path}: empty, nothing was recorded")
    return path
