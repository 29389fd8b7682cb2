"""Ends an MCAP file that was cut in the middle of a write, so that every reader takes what is complete in it."""

import struct
from io import BytesIO
from pathlib import Path

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import DataEnd, Footer
from mcap.writer import MCAP0_MAGIC

_HEAD = struct.Struct("<BQ")
_DATA_OPCODES = frozenset(int(opcode) for opcode in Opcode if opcode not in (Opcode.DATA_END, Opcode.FOOTER))


def complete_bytes(path: Path) -> int:
    """Length of the leading part of the file that consists of complete records of the data section."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            return 0
        end = len(MCAP0_MAGIC)
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            opcode, length = _HEAD.unpack(head)
            if opcode not in _DATA_OPCODES or end + _HEAD.size + length > size:
                break
            end += _HEAD.size + length
            stream.seek(end)
    return end


def seal(path: Path) -> int:
    """Cut what is incomplete and write the end that the format wants, without a summary; bytes that were cut.

    Needs no more space than it frees. Raises OSError.
    """
    kept = complete_bytes(path)
    cut = path.stat().st_size - kept
    records = RecordBuilder()
    DataEnd(0).write(records)
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(records)
    tail = BytesIO(records.end() + MCAP0_MAGIC)
    with path.open("r+b") as stream:
        stream.truncate(kept)
        stream.seek(kept)
        stream.write(tail.getbuffer())
    return cut
