"""The MuJoCo model of a robot at a table: its URDF, actuators as its controllers, cameras, and a scene."""

import math
import re

from gear_vla_ros.sim import gl

gl.choose()

import mujoco  # noqa: E402
import numpy as np  # noqa: E402

from gear_vla_ros.geometry import so3  # noqa: E402
from gear_vla_ros.settings import ArmSpec, CameraSpec, RobotSpec  # noqa: E402
from gear_vla_ros.sim.objects import FRICTION, add_thing  # noqa: E402
from gear_vla_ros.sim.scene import Look, Scene  # noqa: E402

TIMESTEP_S = 0.0025
MIN_BUFFER = 640, 480
"""Pictures up to this size can be drawn whatever the YAML says."""
ARM_STIFFNESS = 45.0
"""Actuator stiffness [Nm/rad] a Nm of the joint's effort limit: a few mm of lag at working speed, as a real arm has."""
FINGER_STIFFNESS = 1500.0
"""[N/m]: 20 N or so on a cube held 1 to 2 cm before the commanded end."""

_OBJECTS, _SIDES = 1, {"right": 2, "left": 4}
_ALL = _OBJECTS | sum(_SIDES.values())
_URDF_OPTIONS = '<mujoco><compiler fusestatic="false" discardvisual="false" balanceinertia="true"/></mujoco>'


def build(spec: RobotSpec, scene: Scene) -> mujoco.MjModel:
    """The compiled model: arms and fingers as in the URDF, one actuator a joint under the joint's name, one camera a
    role, free bodies under the names of the scene's things.

    Raises FileNotFoundError, or ValueError when MuJoCo refuses the URDF.
    """
    text = spec.urdf_path().read_text(encoding="utf-8")
    world = mujoco.MjSpec.from_string(re.sub(r"(<robot\s[^>]*>)", rf"\1{_URDF_OPTIONS}", text, count=1))
    _options(world)
    _drawing(world, spec, scene.look)
    _robot(world, spec)
    for camera in spec.cameras:
        _camera(world, camera, scene.look.head_offset if camera.role == "head" else (0.0,) * 6)
    _table(world, spec, scene.look)
    for thing in scene.things:
        add_thing(world, thing, TIMESTEP_S, _OBJECTS, _ALL)
    return world.compile()


def _options(world: mujoco.MjSpec) -> None:
    option = world.option
    option.timestep = TIMESTEP_S
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10


def _drawing(world: mujoco.MjSpec, spec: RobotSpec, look: Look) -> None:
    """Without multisampling: in software it costs more than the rest of the picture."""
    world.visual.quality.offsamples = 0
    world.visual.global_.offwidth = max(spec.sim.camera_width, MIN_BUFFER[0])
    world.visual.global_.offheight = max(spec.sim.camera_height, MIN_BUFFER[1])
    world.visual.headlight.ambient = [look.ambient] * 3
    world.visual.headlight.diffuse = [look.headlight] * 3
    world.visual.map.znear, world.visual.map.zfar = 0.01, 10.0
    position, direction = look.lamp
    world.worldbody.add_light(pos=position, dir=direction, diffuse=look.lamp_rgb, castshadow=False)


def _robot(world: mujoco.MjSpec, spec: RobotSpec) -> None:
    """Contacts only with objects, table and the other arm; gravity is compensated, as the real controllers do it."""
    side_of: dict[str, str] = {}
    for arm in spec.arms:
        for joint in world.joints:
            if joint.name in _joint_names(arm):
                side_of[joint.parent.name] = arm.name
                joint.armature = 0.1 if joint.name in arm.joints else 1.0
                joint.damping = [1.0, 0.0, 0.0]
        _actuators(world, arm)
    for body in world.bodies[1:]:
        body.gravcomp = 1.0
        side = _side(body, side_of)
        for geom in body.geoms:
            drawn = geom.contype == 0
            geom.group = 2 if drawn else 3
            geom.contype = 0 if drawn or side is None else _SIDES[side]
            geom.conaffinity = 0 if drawn or side is None else _ALL & ~_SIDES[side]
            geom.friction = FRICTION
            geom.condim = 4


def _joint_names(arm: ArmSpec) -> set[str]:
    return {*arm.joints, arm.gripper.joint, *arm.gripper.mimic}


def _side(body: "mujoco.MjsBody", side_of: dict[str, str]) -> str | None:
    """Arm that moves this body, by its nearest ancestor with a joint; None if it stands still."""
    while body.name != "world":
        if body.name in side_of:
            return side_of[body.name]
        body = body.parent
    return None


def _actuators(world: mujoco.MjSpec, arm: ArmSpec) -> None:
    effort = {joint.name: float(joint.actfrcrange[1]) for joint in world.joints}
    stiffness = {name: ARM_STIFFNESS * effort[name] for name in arm.joints}
    stiffness |= dict.fromkeys((arm.gripper.joint, *arm.gripper.mimic), FINGER_STIFFNESS)
    for name, kp in stiffness.items():
        actuator = world.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=kp, dampratio=1.0)


def _camera(world: mujoco.MjSpec, camera: CameraSpec, offset: tuple[float, ...]) -> None:
    """MuJoCo's cameras look along -z with y up; optical frames along z with y down."""
    fovy = 2 * math.degrees(math.atan(camera.height / (2 * camera.fy)))
    x, y, z, w = so3.to_quat(so3.exp(np.array(offset[3:])) @ np.diag([1.0, -1.0, -1.0])).tolist()
    world.body(camera.frame).add_camera(name=camera.role, pos=offset[:3], quat=[w, x, y, z], fovy=fovy)


def _table(world: mujoco.MjSpec, spec: RobotSpec, look: Look) -> None:
    (x, y), top = spec.sim.table_center, spec.sim.table_height
    table = world.worldbody.add_geom(
        name="table", type=mujoco.mjtGeom.mjGEOM_BOX, pos=[x, y, top - 0.02], size=[0.8, 0.8, 0.02],
        rgba=[*look.table_rgb, 1.0], contype=_OBJECTS, conaffinity=_ALL, friction=[1.0, 0.01, 0.001],
    )  # fmt: skip
    world.worldbody.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, pos=[0, 0, top - 0.75], size=[4, 4, 0.1],
        rgba=[*look.floor_rgb, 1.0], contype=_OBJECTS, conaffinity=_ALL,
    )  # fmt: skip
    if look.table_texture is not None:
        table.material, table.rgba = _material(world, look.table_texture).name, [1.0, 1.0, 1.0, 1.0]


def _material(world: mujoco.MjSpec, picture: np.ndarray) -> "mujoco.MjsMaterial":
    texture = world.add_texture(
        name="table", type=mujoco.mjtTexture.mjTEXTURE_2D, width=picture.shape[1], height=picture.shape[0], nchannel=3
    )
    texture.data = picture.tobytes()
    material = world.add_material(name="table", texrepeat=[1.0, 1.0])
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "table"
    return material
