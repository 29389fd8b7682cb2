"""Stand-ins for the controllers that take our commands: what they refuse, as their documentation and sources say.

Each remembers refusals as lines, and where the joints would go.
"""

import itertools
import math


class JointTrajectoryController:
    """ros2_controllers' joint_trajectory_controller, topic interface, with its defaults: no partial goals, no velocity
    at the trajectory's end."""

    def __init__(self, joints):
        self.joints, self.refused, self.q = list(joints), [], None

    def take(self, message):
        problem = self._problem(message)
        if problem:
            self.refused.append(problem)
            return
        at = dict(zip(message.joint_names, message.points[-1].positions, strict=True))
        self.q = [at[name] for name in self.joints]

    def _problem(self, message):
        if sorted(message.joint_names) != sorted(self.joints):
            return f"joints {list(message.joint_names)} are not the controller's"
        if not message.points:
            return "empty trajectory"
        times = [point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec for point in message.points]
        if any(b <= a for a, b in itertools.pairwise(times)):
            return "times do not increase"
        if message.header.stamp.sec or message.header.stamp.nanosec:
            return "a stamp: what ends in the past is dropped"
        if any(message.points[-1].velocities):
            return "velocity at the end"
        if any(len(point.positions) != len(self.joints) for point in message.points):
            return "positions that do not match the joints"
        return None


class ForwardCommandController:
    """ros2_controllers' forward_command_controller: as many values as interfaces, or the command is ignored."""

    def __init__(self, joints):
        self.joints, self.refused, self.q = list(joints), [], None

    def take(self, message):
        if len(message.data) != len(self.joints) or not all(map(math.isfinite, message.data)):
            self.refused.append(f"{len(message.data)} values for {len(self.joints)} interfaces")
            return
        self.q = list(message.data)


class PiperDriver:
    """piper_ros: a joint whose name is missing goes to zero, the gripper is the seventh value, nothing moves before the
    arm is enabled."""

    NAMES = tuple(f"joint{i}" for i in range(1, 7))

    def __init__(self, width_by_value=2.0):
        self.refused, self.q, self.width, self.enabled = [], None, None, False
        self._width_by_value = width_by_value

    def take(self, message):
        if not self.enabled:
            return
        at = dict(zip(message.name, message.position, strict=True))
        self.refused += [f"{name} is missing: it goes to zero" for name in self.NAMES if name not in at]
        self.q = [at.get(name, 0.0) for name in self.NAMES]
        if len(message.position) >= 7:
            self.width = message.position[6] * self._width_by_value


class CartesianController:
    """FZI's cartesian_controllers (`target_frame`) and CRISP (`target_pose`): poses in the robot's base frame only."""

    def __init__(self, base_frame):
        self.base_frame, self.refused, self.xyz = base_frame, [], None

    def take(self, message):
        if message.header.frame_id != self.base_frame:
            self.refused.append(f"frame {message.header.frame_id}, expected {self.base_frame}")
            return
        r = message.pose.orientation
        if abs(math.sqrt(r.x**2 + r.y**2 + r.z**2 + r.w**2) - 1.0) > 1e-6:
            self.refused.append("quaternion of another length than 1")
        self.xyz = [message.pose.position.x, message.pose.position.y, message.pose.position.z]
