"""The bring-up plan: a pure function from what is wanted to a list of node specifications.

`launch/bringup.launch.py` maps the list to launch_ros actions, `gear-vla bringup` maps it to processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gear_vla_ros.cli.shipped import chosen_seam
from gear_vla_ros.engines.opening import AUTO, BACKENDS
from gear_vla_ros.policies.registry import check_checkpoint, policy_names
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.errors import did_you_mean
from gear_vla_ros.settings.paths import share_dir
from gear_vla_ros.settings.runtime import SEAM_NAMES
from gear_vla_ros.settings.teleop import DEVICES
from gear_vla_ros.sim.randomise import check_task

Value = str | int | float | bool

SIMULATORS = ("mujoco", "gazebo", "none")
CAMERAS = ("driver", "realsense")
HOLD_TO_RUN = ("auto", "on", "off")
MACHINES = ("all", "robot", "policy")
WITH_THE_NETWORK = ("action_node", "vlm_node")
NO_POLICY = "none"
NETWORKS = ("auto", "loopback", "two_machines", "inherit")


@dataclass(frozen=True)
class Options:
    """What is wanted. Each field is a launch argument and a command-line option of the same name."""

    robot: str = field(default="franka", metadata={"help": "robot name from config/robots, or a path to a .yaml"})
    policy: str = field(
        default="expert", metadata={"help": "expert (simulation only), gear_vla, or none: a person drives"}
    )
    sim: str = field(default="mujoco", metadata={"help": "mujoco, gazebo (by gazebo.launch.py), or none"})
    cameras: str = field(default="driver", metadata={"help": "driver: somebody publishes them; realsense: we do"})
    instruction: str = field(default="", metadata={"help": "instruction at start; none: wait for one"})
    record: str = field(default="", metadata={"help": "folder for MCAP episodes; none: do not record"})
    checkpoint: str = field(default="", metadata={"help": "bundle or checkpoint folder; none: random tiny weights"})
    seed: int = field(default=0, metadata={"help": "seed of the simulated scene and of random weights"})
    task: str = field(
        default="",
        metadata={"help": "scene of this task by the seed: lift, place, handover, flip_label; none: 3 cubes"},
    )
    backend: str = field(default="auto", metadata={"help": "of a bundle: auto, tensorrt, onnxruntime or torch"})
    seam: str = field(
        default=AUTO,
        metadata={"help": "how chunks meet: auto (as the bundle says, else switch), switch, blend, ensemble or rtc"},
    )
    hold_to_run: str = field(default="auto", metadata={"help": "auto: as the YAML says, not in simulation; on or off"})
    network: str = field(default="auto", metadata={"help": "auto, loopback, two_machines or inherit"})
    machine: str = field(default="all", metadata={"help": "all nodes here; policy: only those with the network; robot"})
    peers: str = field(default="", metadata={"help": "addresses of the other machines; none: found by multicast"})
    teleop: str = field(
        default="", metadata={"help": "a person may take over by: keyboard, joy, twist, leader or vr; none: nobody"}
    )


@dataclass(frozen=True)
class NodeSpec:
    """One process. `executable` is a module `gear_vla_ros.nodes.<executable>` and an installed program."""

    executable: str
    parameters: Mapping[str, Value]

    @property
    def name(self) -> str:
        """Node name in the graph."""
        return self.executable


@dataclass(frozen=True)
class BringUp:
    """What is to be started: processes in this order, in this environment."""

    robot: RobotSpec
    nodes: tuple[NodeSpec, ...]
    environment: Mapping[str, str]


def make_plan(options: Options) -> BringUp:
    """The processes for `options`.

    Raises ValueError (an unknown word, with what is allowed; combinations that make no sense), FileNotFoundError
    (no such robot) or SettingsError (its YAML is wrong).
    """
    _one_of("sim", options.sim, SIMULATORS)
    _one_of("cameras", options.cameras, CAMERAS)
    _one_of("network", options.network, NETWORKS)
    _one_of("policy", options.policy, (*policy_names(), NO_POLICY))
    _one_of("machine", options.machine, MACHINES)
    _one_of("backend", options.backend, (AUTO, *BACKENDS))
    _one_of("seam", options.seam, (AUTO, *SEAM_NAMES))
    _one_of("hold_to_run", options.hold_to_run, HOLD_TO_RUN)
    _one_of("teleop", options.teleop, ("", *DEVICES))
    robot = load_robot(options.robot)
    _make_sense(options, robot)
    options = replace(options, seam=chosen_seam(options.seam, options.policy, options.checkpoint))
    nodes = (node for node in _nodes(options, robot) if _runs_here(node, options.machine))
    return BringUp(robot, tuple(nodes), _environment(options))


def _runs_here(node: NodeSpec, machine: str) -> bool:
    return machine == "all" or (node.executable in WITH_THE_NETWORK) == (machine == "policy")


def _nodes(options: Options, robot: RobotSpec) -> list[NodeSpec]:
    common: dict[str, Value] = {"robot": options.robot}
    if options.sim == "gazebo":
        common["use_sim_time"] = True
    policy: dict[str, Value] = {
        **common,
        "policy": options.policy,
        "checkpoint": options.checkpoint,
        "seed": options.seed,
        "backend": options.backend,
    }
    nodes = []
    if options.sim == "mujoco":
        nodes.append(NodeSpec("sim_node", {**common, "seed": options.seed, "task": options.task}))
    if options.sim == "none" and any(arm.driver_states is not None for arm in robot.arms):
        nodes.append(NodeSpec("joint_state_node", common))
    if options.cameras == "realsense":
        nodes.append(NodeSpec("realsense_node", common))
    if options.record:
        nodes.append(NodeSpec("recorder_node", {**common, "folder": options.record, "autostart": True}))
    if any(arm.command.interface != "pose" for arm in robot.arms):
        nodes.append(NodeSpec("ik_node", {**common, "enable": options.sim == "none"}))
    nodes.append(NodeSpec("target_node", {**common, "seam": options.seam, "hold_to_run": _hold_to_run(options, robot)}))
    if options.teleop:
        nodes.append(NodeSpec("teleop_node", {**common, "device": options.teleop}))
    if options.policy == NO_POLICY:
        return nodes
    nodes.append(NodeSpec("action_node", {**policy, "rtc": options.seam == "rtc"}))
    scene: dict[str, Value] = {"use_scene": options.policy == "expert", "instruction": options.instruction}
    nodes.append(NodeSpec("vlm_node", {**policy, **scene}))
    nodes.append(NodeSpec("task_node", common))
    return nodes


def _hold_to_run(options: Options, robot: RobotSpec) -> bool:
    """On real hardware unless the YAML says otherwise; in simulation only where it is asked for."""
    if options.hold_to_run == "auto":
        return options.sim == "none" and robot.operator.hold_to_run
    return options.hold_to_run == "on"


def _environment(options: Options) -> dict[str, str]:
    """The DDS profile: without a larger shared-memory segment images are lost (docs/install.md)."""
    network = options.network
    if network == "auto" and (options.peers or options.machine != "all"):
        network = "two_machines"
    elif network == "auto":
        network = "loopback" if options.sim == "mujoco" else "inherit"
    return {**network_environment(network), **_peers(options)}


def network_environment(network: str) -> dict[str, str]:
    """Environment variables for a network: loopback, two_machines, or inherit for none. Raises ValueError."""
    _one_of("network", network, NETWORKS[1:])
    if network == "inherit":
        return {}
    profile = share_dir() / "config" / "dds" / f"{network}.xml"
    return {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile),
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
    }


def _peers(options: Options) -> dict[str, str]:
    """Discovery by address, on this machine and those that are named (ROS 2 Iron and later)."""
    addresses = [address.strip() for address in options.peers.split(",") if address.strip()]
    if not addresses:
        return {}
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": ";".join(addresses)}


def _make_sense(options: Options, robot: RobotSpec) -> None:
    if options.task:
        check_task(robot, options.task)
    if options.task and options.sim != "mujoco":
        raise ValueError(f"task: '{options.task}' with sim: {options.sim}; only mujoco has scenes of tasks")
    if options.peers and options.network in ("loopback", "inherit"):
        raise ValueError(f"peers: '{options.peers}' with network: {options.network}; allowed with two_machines or auto")
    if options.policy == "expert" and options.sim == "none":
        raise ValueError("policy: expert needs the simulator's ground truth; with sim none choose gear_vla")
    check_checkpoint(options.policy, options.checkpoint)
    if options.policy == NO_POLICY and not options.teleop:
        raise ValueError(f"policy: none, so nothing moves the robot; choose teleop, allowed {', '.join(DEVICES)}")
    if options.policy == NO_POLICY and options.instruction:
        raise ValueError(f"instruction: '{options.instruction}', but with policy none nobody follows it; leave it out")
    if options.cameras == "realsense" and options.sim == "mujoco":
        raise ValueError("cameras: realsense and sim: mujoco would publish the same topics; choose one")
    if options.cameras == "realsense" and not any(camera.serial for camera in robot.cameras):
        raise ValueError(f"cameras: realsense, but no camera of robot {robot.name} has a serial in its YAML")
    if robot.placeholder and options.sim == "none":
        raise ValueError(
            f"robot: {robot.name} has placeholder kinematics and may only be simulated; "
            "put the real URDF and limits in place and set placeholder: false"
        )


def _one_of(key: str, found: str, allowed: tuple[str, ...]) -> None:
    if found not in allowed:
        raise ValueError(
            f"{key}: found '{found}'{did_you_mean(found, allowed)}; allowed {', '.join(filter(None, allowed))}"
        )
