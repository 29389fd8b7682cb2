"""One episode: raw serialised messages into a rosbag2 MCAP, from a thread of its own."""

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from mcap.writer import CompressionType, Writer

from gear_vla_ros.recording.compression import Compressor
from gear_vla_ros.recording.definitions import definition
from gear_vla_ros.recording.episodes import WrittenTopic, bag_metadata, offered_qos
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.sealing import seal
from gear_vla_ros.recording.topics import RecordedTopic

Compression = Literal["none", "lz4", "zstd"]
GATHER_S, GATHER_BYTES = 0.02, 4 * 2**20
"""Messages are gathered that long, or until they are that many bytes: waking the thread for each costs more."""
ENCODERS_SHARE = 0.75
"""Of the memory for what waits; an encoder that is too slow costs its own pictures, not the joint states."""
_COMPRESSIONS = {"none": CompressionType.NONE, "lz4": CompressionType.LZ4, "zstd": CompressionType.ZSTD}
FLUSH_S = 1.0
"""What is in memory reaches the file at least this often: the most that a killed process loses."""


@dataclass(frozen=True)
class WriterOptions:
    """queue_bytes: what may wait for the disk. reserve_bytes: the episode ends when less is free on it."""

    compression: Compression = "none"
    queue_bytes: int = 256 * 2**20
    reserve_bytes: int = 256 * 2**20
    chunk_bytes: int = 2**20


DEFAULTS = WriterOptions()


class _Record(NamedTuple):
    topic: str
    log_ns: int
    publish_ns: int
    data: bytes


@dataclass
class _Channel:
    id: int
    topic: RecordedTopic
    type_hash: str
    messages: int = 0


class EpisodeWriter:
    """Writes into a folder that exists and is empty; nothing is ever overwritten.

    Threads: `write`, `close` and the properties belong to the caller; file and counts of what was written belong to
    the writer's thread; a topic's encoder belongs to its own; the queue between them, with its counters, is guarded by
    `_changed`. Pictures that are compressed stand in the file a little after messages that came with them.
    """

    def __init__(
        self,
        folder: Path,
        topics: Iterable[RecordedTopic],
        about: Mapping[str, str],
        attachments: Mapping[str, bytes] | None = None,
        options: WriterOptions = DEFAULTS,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """about: kept as the episode's metadata. attachments: files kept inside the bag, by name.

        Raises RecordingError (disk full, folder in use), LookupError (a message type without a definition).
        """
        topics = tuple(topics)
        definitions = {topic.written.type: definition(topic.written.type) for topic in topics}
        self.path = folder
        self.file = folder / f"{folder.name}_0.mcap"
        self._options, self._free_bytes, self._about = options, free_bytes, dict(about)
        self._check_space()
        try:
            self._stream = self.file.open("xb")
        except OSError as error:
            raise RecordingError(f"{self.file}: cannot be made: {error.strerror}; nothing was overwritten") from None
        self._mcap = Writer(self._stream, options.chunk_bytes, _COMPRESSIONS[options.compression])
        self._mcap.start("ros2", "gear_vla_ros")
        self._mcap.add_metadata("episode", self._about)
        now_ns = time.time_ns()
        for name, data in (attachments or {}).items():
            self._mcap.add_attachment(now_ns, now_ns, name, "text/plain", data)
        schemas = {n: self._mcap.register_schema(n, "ros2msg", d.text.encode()) for n, d in definitions.items()}
        self._channels = {
            t.name: self._register(t.written, schemas[t.written.type], definitions[t.written.type].type_hash)
            for t in topics
        }
        self._compressors = {t.name: Compressor(t.compress) for t in topics if t.compress is not None}
        self._first_ns, self._last_ns = 0, 0
        self._queue: deque[_Record] = deque()
        self._changed = threading.Condition()
        self._waiting_bytes, self._queued_bytes, self._accepted_bytes = 0, 0, 0
        self._encoding, self._dropped, self._refused = 0, 0, ""
        self._closing, self._error = False, ""
        self._thread = threading.Thread(target=self._run, name="episode-writer", daemon=True)
        self._thread.start()

    def _register(self, topic: RecordedTopic, schema_id: int, type_hash: str) -> _Channel:
        qos = offered_qos(topic.reliable, bool(topic.latched), topic.depth)
        metadata = {"offered_qos_profiles": qos, "topic_type_hash": type_hash}
        return _Channel(self._mcap.register_channel(topic.name, "cdr", schema_id, metadata), topic, type_hash)

    def write(self, topic: str, log_ns: int, publish_ns: int, data: bytes) -> bool:
        """Hand over one CDR message; never waits. False, and counted, when the queue is full or the episode ended.

        log_ns: time of reception. publish_ns: time of publication. Raises KeyError on a topic that was not announced.
        """
        if topic not in self._channels:
            raise KeyError(f"{topic} is not a topic of this episode")
        with self._changed:
            share = ENCODERS_SHARE if topic in self._compressors else 1.0
            if self._closing or self._error or self._waiting_bytes + len(data) > share * self._options.queue_bytes:
                self._dropped += 1
                return False
            self._waiting_bytes += len(data)
            record = _Record(topic, log_ns, publish_ns, data)
            if topic in self._compressors:
                self._encoding += 1
                self._compressors[topic].submit(data, partial(self._compressed, record))
            else:
                self._enqueue(record)
        return True

    def _enqueue(self, record: _Record) -> None:
        """With `_changed` held."""
        self._queue.append(record)
        self._queued_bytes += len(record.data)
        self._accepted_bytes += len(record.data)
        if self._queued_bytes > GATHER_BYTES:
            self._changed.notify()

    def _compressed(self, record: _Record, data: bytes, problem: str) -> None:
        """Called in the thread of a compressor."""
        with self._changed:
            self._encoding -= 1
            if problem or self._error:
                self._dropped += 1
                self._refused = f"{record.topic}: {problem}" if problem else self._refused
            if not self._error:
                self._waiting_bytes += len(data) - len(record.data)
                if not problem:
                    self._enqueue(record._replace(data=data))
            if self._closing:
                self._changed.notify()

    def close(self, outcome: Mapping[str, str] | None = None, limit_s: float = 60.0) -> None:
        """Write what is queued, the index and metadata.yaml; a second call does nothing. See `error` afterwards.

        Raises RecordingError when the disk takes longer than `limit_s`.
        """
        with self._changed:
            if not self._closing:
                self._about |= dict(outcome or {})
                self._closing = True
                self._changed.notify()
        self._thread.join(limit_s)
        for compressor in self._compressors.values():
            compressor.stop()
        if self._thread.is_alive():
            raise RecordingError(f"{self.file}: not written within {limit_s:g} s; the disk is too slow")

    @property
    def error(self) -> str:
        """Why the episode ended by itself, empty if it did not."""
        with self._changed:
            return self._error

    @property
    def problem(self) -> str:
        """What went wrong so far, in one line: an error, or why messages were dropped. Empty if nothing did."""
        with self._changed:
            lost = f"{self._dropped} messages dropped: {self._refused or 'the queue is full'}" if self._dropped else ""
            return self._error or lost

    @property
    def dropped(self) -> int:
        """Messages that were not taken."""
        with self._changed:
            return self._dropped

    @property
    def accepted_bytes(self) -> int:
        """Bytes of all messages that were taken, as they go into the file."""
        with self._changed:
            return self._accepted_bytes

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for an encoder or the disk."""
        with self._changed:
            return self._waiting_bytes

    @property
    def counts(self) -> dict[str, int]:
        """Messages written by topic."""
        return {channel.topic.name: channel.messages for channel in self._channels.values()}

    def _run(self) -> None:
        try:
            self._write_until_closed()
            self._mcap.add_metadata("outcome", self._outcome())
            self._mcap.finish()
            self._stream.close()
        except Exception as error:  # a thread that ends silently would lose everything that follows
            self._end_early(error)
        self._write_metadata()

    def _write_until_closed(self) -> None:
        flushed_s = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, timeout=GATHER_S)
                batch, self._queue, self._queued_bytes = self._queue, deque(), 0
                complete = self._closing and not self._encoding
            for record in batch:
                self._put(record)
            if time.monotonic() - flushed_s >= FLUSH_S:
                self._mcap.flush()
                self._check_space()
                flushed_s = time.monotonic()
            if complete and not batch:
                return

    def _has_work(self) -> bool:
        return (self._closing and not self._encoding) or self._queued_bytes > GATHER_BYTES

    def _put(self, record: _Record) -> None:
        channel = self._channels[record.topic]
        self._mcap.add_message(channel.id, record.log_ns, record.data, record.publish_ns, channel.messages)
        self._first_ns = record.log_ns if not self._last_ns else min(self._first_ns, record.log_ns)
        self._last_ns = max(self._last_ns, record.log_ns)
        channel.messages += 1
        with self._changed:
            self._waiting_bytes -= len(record.data)

    def _check_space(self) -> None:
        free, reserve = self._free_bytes(self.path), self._options.reserve_bytes
        if free < reserve:
            raise RecordingError(
                f"{self.path}: {free / 2**20:.0f} MiB free on this disk, at least {reserve / 2**20:.0f} MiB are kept; "
                "free some or choose another folder"
            )

    def _end_early(self, error: Exception) -> None:
        """After a failure: no more messages, and a file that every reader takes."""
        line = str(error) if isinstance(error, RecordingError) else f"{self.file}: write failed: {error}"
        with self._changed:
            self._error = line
            self._dropped += len(self._queue)
            self._queue.clear()
            self._waiting_bytes = self._queued_bytes = 0
        try:
            if isinstance(error, RecordingError):
                self._mcap.add_metadata("outcome", self._outcome())
                self._mcap.finish()
            self._stream.close()
        except OSError:
            pass
        if not isinstance(error, RecordingError):
            self._seal()

    def _seal(self) -> None:
        try:
            seal(self.file)
        except OSError as error:
            with self._changed:
                self._error += f"; its end could not be written: {error}"

    def _outcome(self) -> dict[str, str]:
        with self._changed:
            refused = {"refused": self._refused} if self._refused else {}
            return {**self._about, "dropped": str(self._dropped), "error": self._error, **refused}

    def _write_metadata(self) -> None:
        written = [
            WrittenTopic(c.topic.name, c.topic.type, c.type_hash,
                         offered_qos(c.topic.reliable, bool(c.topic.latched), c.topic.depth), c.messages)
            for c in self._channels.values()
        ]  # fmt: skip
        text = bag_metadata(self.file.name, written, self._first_ns, self._last_ns, self._outcome())
        try:
            (self.path / "metadata.yaml").write_text(text, encoding="utf-8")
        except OSError as error:
            with self._changed:
                self._error = self._error or f"{self.path}: metadata.yaml could not be written: {error}"
