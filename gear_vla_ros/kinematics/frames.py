"""Names that pinocchio changed: `requirements/constraints-installed-ros.txt` has 2.7, everything else 4.1."""

import pinocchio as pin


def parent_frame(frame: pin.Frame) -> int:
    """Index of the frame before this one."""
    return int(frame.parentFrame if hasattr(frame, "parentFrame") else frame.previousFrame)


def parent_joint(frame: pin.Frame) -> int:
    """Index of the joint that moves this frame."""
    return int(frame.parentJoint if hasattr(frame, "parentJoint") else frame.parent)
