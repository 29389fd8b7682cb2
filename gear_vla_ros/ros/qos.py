"""QoS by intent. A publisher and its subscribers take the same profile, so that they always match."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(reliability: ReliabilityPolicy, durability: DurabilityPolicy, depth: int) -> QoSProfile:
    return QoSProfile(reliability=reliability, durability=durability, history=HistoryPolicy.KEEP_LAST, depth=depth)


SENSOR = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, 1)
"""Images: only the newest one counts, a late one is not sent again."""

STATE = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, 10)
"""Joint states, poses: frequent and small, a history is kept."""

COMMAND = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 1)
"""Targets and joint commands: the newest must arrive, an old one must not."""

RESULT = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 5)
"""Latents, chunks, events: each one counts."""

LATCHED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, 1)
"""What is in force: whoever comes later gets it too."""

_ALL = {"SENSOR": SENSOR, "STATE": STATE, "COMMAND": COMMAND, "RESULT": RESULT, "LATCHED": LATCHED}
_NAMES = {id(profile): name for name, profile in _ALL.items()}


def name_of(profile: QoSProfile) -> str:
    """Name of one of the profiles above. Raises KeyError for another."""
    return _NAMES[id(profile)]
