"""Message stamps <-> integer nanoseconds."""

from builtin_interfaces.msg import Time

_SECOND = 1_000_000_000


def to_ns(stamp: Time) -> int:
    """Nanoseconds of a message stamp."""
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


def to_msg(ns: int) -> Time:
    """Message stamp of nanoseconds, 0 to 2^31 seconds."""
    return Time(sec=ns // _SECOND, nanosec=ns % _SECOND)
