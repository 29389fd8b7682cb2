"""Replaying through the real nodes: vlm_node and action_node in their own processes, fed by the episode."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from gear_vla_ros.cli.plan import BringUp, NodeSpec, Options, make_plan
from gear_vla_ros.cli.processes import ProcessGroup, enter
from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.recording.dataset.samples import Samples
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.recording.replaying import Scenes, moments

TAIL = 30


def chunks_of_graph(
    samples: Samples, robot: str, policy: str, options: PolicyOptions, every_s: float, latency_s: float, scenes: Scenes
) -> Iterator[ActionChunk]:
    """Chunks of both nodes, one a pass. Raises RecordingError when they cannot be had, with the nodes' last lines."""
    if len(set(samples.tasks)) != 1:
        raise RecordingError(f"{samples.path}: {len(set(samples.tasks))} instructions; replay it with --fast")
    plan = _plan(samples, robot, policy, options)
    enter(plan)
    from gear_vla_ros.ros.client import GraphError
    from gear_vla_ros.ros.replay_feeder import ReplayFeeder

    tail: deque[str] = deque(maxlen=TAIL)
    with ProcessGroup(plan, lambda name, line: tail.append(f"{name}: {line}")) as group:

        def check() -> None:
            if (ended := group.ended()) is not None:
                raise GraphError(f"{ended[0]} ended with code {ended[1]}")

        try:
            with ReplayFeeder(samples.robot, joint_states(samples), check) as feeder:
                feeder.meet()
                for index, moment in enumerate(moments(samples, every_s, latency_s, scenes)):
                    if index == 0:
                        feeder.rehearse(moment.observation)
                    yield feeder.chunk_of(moment.observation, moment.acted_on.stamp_ns)
        except GraphError as error:
            lines = "\n".join(tail)
            raise RecordingError(f"{samples.path}: {error}\n{lines}") from None


def joint_states(samples: Samples) -> list[tuple[int, bytes]]:
    """The episode's joint states as they were recorded, by stamp."""
    reader = EpisodeReader(samples.path)
    found = []
    for raw in reader.raw({samples.robot.joint_states_topic}):
        stamp = reader.decode(raw).header.stamp
        found.append((stamp.sec * 1_000_000_000 + stamp.nanosec, raw.data))
    return sorted(found)


def _plan(samples: Samples, robot: str, policy: str, options: PolicyOptions) -> BringUp:
    """The two nodes with the policy, on the episode's time, where nothing goes on while a chunk is made."""
    plan = make_plan(
        Options(
            robot=robot,
            policy=policy,
            sim="gazebo",
            instruction=samples.tasks[0],
            checkpoint=options.checkpoint,
            seed=options.seed,
            backend=options.backend,
            seam="switch",
            network="loopback",
            machine="policy",
        )
    )
    return replace(plan, nodes=tuple(_once(node) for node in plan.nodes))


def _once(node: NodeSpec) -> NodeSpec:
    """A node that makes one chunk of every latents, however long the clock stands still."""
    extra = {"replan_before_end_s": 0.0} if node.executable == "action_node" else {}
    return replace(node, parameters={**node.parameters, **extra})
