"""Stand-ins for drivers whose messages only their own process may load: what they are told is printed, a line each.

    python driver.py gripper NAME MANNER     the action server of a gripper_controllers/GripperActionController: a newer
                                             goal takes the place of the one that runs, a stall aborts
    python driver.py enable NAME MANNER      piper_ros's enable_srv
MANNER: good; reluctant says no once; silent does not answer once; stalls (gripper only).
"""

import contextlib
import json
import sys
import time

import rclpy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node

SILENCE_S = 3.0


def tell(**said):
    print(json.dumps(said), flush=True)


class Gripper(Node):
    def __init__(self, name, manner):
        from control_msgs.action import GripperCommand

        super().__init__("stand_in_gripper")
        self._type, self._manner, self._met = GripperCommand, manner, 0
        self._running = None
        self._server = ActionServer(
            self,
            GripperCommand,
            name,
            self._execute,
            goal_callback=self._goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def _goal(self, goal):
        self._met += 1
        if self._met == 1 and self._manner == "silent":
            time.sleep(SILENCE_S)
        if self._met == 1 and self._manner == "reluctant":
            tell(refused=goal.command.position)
            return GoalResponse.REJECT
        tell(position=goal.command.position, max_effort=goal.command.max_effort)
        return GoalResponse.ACCEPT

    def _execute(self, handle):
        self._running = handle
        time.sleep(0.05)
        position = handle.request.command.position
        if self._running is not handle or self._manner == "stalls":
            handle.abort()
            return self._type.Result(position=position, stalled=self._manner == "stalls")
        handle.succeed()
        return self._type.Result(position=position, reached_goal=True)


class Enable(Node):
    def __init__(self, name, manner):
        from piper_msgs.srv import Enable as Service

        super().__init__("stand_in_enable")
        self._manner, self._met = manner, 0
        self.create_service(Service, name, self._answer)

    def _answer(self, request, response):
        self._met += 1
        first = self._met == 1
        if first and self._manner == "silent":
            time.sleep(SILENCE_S)
        response.enable_response = request.enable_request and not (first and self._manner == "reluctant")
        tell(asked=request.enable_request, answer=response.enable_response)
        return response


if __name__ == "__main__":
    rclpy.init()
    kind, name, manner = sys.argv[1:4]
    executor = MultiThreadedExecutor(4)
    executor.add_node(Gripper(name, manner) if kind == "gripper" else Enable(name, manner))
    tell(ready=True)
    with contextlib.suppress(KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        executor.spin()
