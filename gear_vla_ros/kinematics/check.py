"""Whether a robot's YAML and its URDF fit together: every finding at once, so that one run shows all that is left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pinocchio as pin

from gear_vla_ros.kinematics.frames import parent_joint
from gear_vla_ros.settings import ArmSpec, GripperSpec, RobotSpec
from gear_vla_ros.settings.errors import did_you_mean

LIMIT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Finding:
    """One checked fact. what: the key of the YAML; found: what is there, and what would be right when not ok."""

    ok: bool
    what: str
    found: str


def check_robot(spec: RobotSpec) -> list[Finding]:
    """Findings in the order of the YAML. Never raises for a YAML that loads: a broken URDF is a finding too."""
    try:
        path = spec.urdf_path()
        model = pin.buildModelFromUrdf(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        return [Finding(False, "urdf", " ".join(str(error).split()))]
    return list(_Checks(spec, model).findings())


class _Checks:
    def __init__(self, spec: RobotSpec, model: pin.Model) -> None:
        self._spec, self._model = spec, model
        self._joints = list(model.names)[1:]
        self._links = [frame.name for frame in model.frames if frame.type == pin.FrameType.BODY]

    def findings(self) -> Iterator[Finding]:
        spec = self._spec
        yield Finding(True, "urdf", f"{spec.urdf}: {len(self._links)} links, {len(self._joints)} movable joints")
        yield self._names("world_frame", [spec.world_frame], "link")
        for arm in spec.arms:
            yield from self._arm(arm, f"arms.{arm.name}")
        for camera in spec.cameras:
            yield self._names(f"cameras.{camera.role}.frame", [camera.frame], "link")
        if spec.placeholder:
            yield Finding(True, "placeholder", "kinematics are invented: simulation only")

    def _arm(self, arm: ArmSpec, key: str) -> Iterator[Finding]:
        named = [
            self._names(f"{key}.base_frame", [arm.base_frame], "link"),
            self._names(f"{key}.tcp_frame", [arm.tcp_frame], "link"),
            self._names(f"{key}.joints", arm.joints, "joint"),
        ]
        gripper = self._names(f"{key}.gripper", [arm.gripper.joint, *arm.gripper.mimic], "joint")
        yield from (*named, gripper)
        if all(finding.ok for finding in named):
            chain = self._chain(arm, f"{key}.joints")
            yield chain
            home = self._home(arm, f"{key}.home")
            yield home
            if chain.ok and home.ok:
                yield self._workspace(arm, f"{key}.safety")
                yield self._braking(arm, f"{key}.safety.max_linear_jerk")
        if gripper.ok:
            yield self._gripper(arm.gripper, f"{key}.gripper")
            if named[2].ok:
                yield self._carried(arm, f"{key}.gripper.joint")

    def _names(self, key: str, names: Sequence[str], kind: str) -> Finding:
        there = self._joints if kind == "joint" else self._links
        wrong = [f"no {kind} '{name}'{did_you_mean(name, there)}" for name in names if name not in there]
        if wrong:
            return Finding(False, key, f"{'; '.join(wrong)}; {self._spec.urdf} has {', '.join(there)}")
        return Finding(True, key, ", ".join(names))

    def _chain(self, arm: ArmSpec, key: str) -> Finding:
        """The movable joints from base to tcp are exactly the arm's, in that order."""
        base = set(self._model.supports[self._joint_of(arm.base_frame)])
        tcp = list(self._model.supports[self._joint_of(arm.tcp_frame)])
        chain = [self._model.names[joint] for joint in tcp if joint not in base]
        if chain != list(arm.joints):
            there = ", ".join(chain) or "none"
            return Finding(False, key, f"from {arm.base_frame} to {arm.tcp_frame} the URDF has {there}: list these")
        return Finding(True, key, f"the chain from {arm.base_frame} to {arm.tcp_frame}, in order")

    def _home(self, arm: ArmSpec, key: str) -> Finding:
        beyond, room = [], np.inf
        for name, value in zip(arm.joints, arm.home, strict=True):
            low, high = self._range(name)
            room = min(room, value - low, high - value)
            if not low < value < high:
                beyond.append(f"{name} {value:g} is not within {low:g} and {high:g}")
        if beyond:
            return Finding(False, key, "; ".join(beyond))
        return Finding(True, key, f"at least {room:.2f} rad from every limit")

    def _braking(self, arm: ArmSpec, key: str) -> Finding:
        """What the limits of speed, acceleration and jerk make of a hold or a stop."""
        safety = arm.safety
        longest_s = safety.stopping_s + 3 / self._spec.rates.target_hz
        found = f"from full speed to standstill in at most {longest_s:.2f} s and {safety.stopping_m * 1e3:.0f} mm"
        return Finding(True, key, found)

    def _gripper(self, gripper: GripperSpec, key: str) -> Finding:
        beyond = []
        for name, multiplier in {gripper.joint: 1.0, **gripper.mimic}.items():
            low, high = self._range(name)
            for end in ("closed", "open"):
                value = multiplier * getattr(gripper, end)
                if not low - LIMIT_TOLERANCE <= value <= high + LIMIT_TOLERANCE:
                    beyond.append(f"{end} moves {name} to {value:g}, it ranges from {low:g} to {high:g} {gripper.unit}")
        if beyond:
            return Finding(False, key, "; ".join(beyond))
        return Finding(True, key, f"closed {gripper.closed:g}, open {gripper.open:g} {gripper.unit}, inside the limits")

    def _carried(self, arm: ArmSpec, key: str) -> Finding:
        """Not the other arm's gripper."""
        model = self._model
        last = model.getJointId(arm.joints[-1])
        fingers = (arm.gripper.joint, *arm.gripper.mimic)
        apart = [name for name in fingers if last not in list(model.supports[model.getJointId(name)])]
        if apart:
            return Finding(False, key, f"{', '.join(apart)}: not moved by {arm.joints[-1]}, so on another arm")
        return Finding(True, key, f"carried by {arm.joints[-1]}")

    def _workspace(self, arm: ArmSpec, key: str) -> Finding:
        x, y, z = self._tcp_at_home(arm)
        low, high = arm.safety.workspace_min, arm.safety.workspace_max
        place = f"tcp at home ({x:.3f}, {y:.3f}, {z:.3f}) m in {arm.base_frame}"
        if not all(a <= value <= b for a, value, b in zip(low, (x, y, z), high, strict=True)):
            return Finding(False, key, f"{place} is outside the workspace {list(low)} to {list(high)}")
        return Finding(True, key, f"{place}, inside the workspace")

    def _tcp_at_home(self, arm: ArmSpec) -> tuple[float, float, float]:
        """Where the tcp is in the arm's base frame [m]."""
        model, q = self._model, pin.neutral(self._model)
        data = model.createData()
        for name, value in zip(arm.joints, arm.home, strict=True):
            q[model.joints[model.getJointId(name)].idx_q] = value
        pin.framesForwardKinematics(model, data, q)
        base, tcp = (data.oMf[model.getFrameId(link, pin.FrameType.BODY)] for link in (arm.base_frame, arm.tcp_frame))
        x, y, z = base.actInv(tcp).translation
        return float(x), float(y), float(z)

    def _joint_of(self, link: str) -> int:
        """The movable joint that carries the link; 0 for links that are fixed to the world."""
        return parent_joint(self._model.frames[self._model.getFrameId(link, pin.FrameType.BODY)])

    def _range(self, name: str) -> tuple[float, float]:
        at = self._model.joints[self._model.getJointId(name)].idx_q
        return float(self._model.lowerPositionLimit[at]), float(self._model.upperPositionLimit[at])
