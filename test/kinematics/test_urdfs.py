"""The URDFs themselves: the same for pinocchio and MuJoCo, and fit for the task the YAML names."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robots import NAMES, home, model_of, within_limits

from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.differential_ik import DifferentialIk
from gear_vla_ros.sim.builder import mujoco

GRASP_M = 0.02
"""Middle of a 4 cm cube above the table."""


def mujoco_model(name):
    """As the file is: inertias are not balanced, so MuJoCo refuses those that no body can have."""
    text = model_of(name).spec.urdf_path().read_text()
    options = '<mujoco><compiler fusestatic="false" discardvisual="false" balanceinertia="false"/></mujoco>'
    return mujoco.MjSpec.from_string(re.sub(r"(<robot\s[^>]*>)", rf"\1{options}", text, count=1)).compile()


MUJOCO = {name: mujoco_model(name) for name in NAMES}


def world_T_links(model, q, opening):
    world_T = {model.spec.world_frame: np.eye(4)}
    for parent, child, parent_T_child in model.transforms(q, opening):
        world_T[child] = world_T[parent] @ parent_T_child
    return world_T


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_mujoco_and_pinocchio_place_every_link_alike(name, data):
    model, other = model_of(name), MUJOCO[name]
    q = {arm.name: data.draw(within_limits(model, arm.name)) for arm in model.spec.arms}
    opening = {arm: data.draw(st.floats(0, 1)) for arm in q}
    state = mujoco.MjData(other)
    for arm in model.spec.arms:
        finger = model.gripper_from_unit(arm.name, opening[arm.name])
        fingers = {joint: m * finger for joint, m in {arm.gripper.joint: 1.0, **arm.gripper.mimic}.items()}
        for joint, value in {**dict(zip(arm.joints, q[arm.name], strict=True)), **fingers}.items():
            state.qpos[other.joint(joint).qposadr[0]] = value
    mujoco.mj_kinematics(other, state)
    compared = 0
    for link, world_T_link in world_T_links(model, q, opening).items():
        body = state.body(link)
        found = se3.from_rotation_translation(body.xmat.reshape(3, 3), body.xpos)
        assert np.allclose(found, world_T_link, atol=1e-6), link
        compared += 1
    assert compared == other.nbody


@pytest.mark.parametrize("name", NAMES)
def test_every_moving_link_has_mass_and_an_inertia_a_body_can_have(name):
    model = model_of(name).pin_model
    for joint in range(1, model.njoints):
        inertia = model.inertias[joint]
        moments = np.linalg.eigvalsh(inertia.inertia)
        assert inertia.mass > 0.01 and moments[0] > 0, model.names[joint]
        assert moments[2] <= moments[0] + moments[1] + 1e-12, model.names[joint]
        assert model.effortLimit[model.joints[joint].idx_v] > 0


@pytest.mark.parametrize("name", NAMES)
def test_mimic_joints_of_urdf_and_yaml_agree(name):
    model = model_of(name)
    text = model.spec.urdf_path().read_text()
    pattern = r'<joint name="(\w+)"(?:(?!</joint>).)*<mimic joint="(\w+)" multiplier="([-\d.]+)"'
    found = {child: (parent, float(m)) for child, parent, m in re.findall(pattern, text, flags=re.S)}
    expected = {child: (arm.gripper.joint, m) for arm in model.spec.arms for child, m in arm.gripper.mimic.items()}
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_at_home_tools_point_straight_down_above_the_table(name):
    model = model_of(name)
    for arm in model.spec.arms:
        world_T_tcp = model.world_T_frame(arm.tcp_frame, home(model))
        assert world_T_tcp[2, 2] < -0.999
        assert world_T_tcp[2, 3] > model.spec.sim.table_height + 0.1


@pytest.mark.parametrize("name", NAMES)
def test_an_arm_reaches_every_place_where_objects_are_from_above_within_its_workspace(name):
    model, sim = model_of(name), model_of(name).spec.sim
    offsets = itertools.product((-0.5, 0.0, 0.5), repeat=2)
    for place in (np.array(sim.table_center) + np.array(o) * sim.spawn_size for o in offsets):
        point = np.array([*place, sim.table_height + GRASP_M])
        assert any(_grasps(model, arm, point) for arm in model.spec.arms), f"nobody reaches {point.round(3)}"


def _grasps(model, arm, point):
    """Whether the arm gets from home to a top-down grasp at the point of the world."""
    q = {arm.name: np.array(arm.home)}
    world_T_grasp = model.world_T_base(arm.name) @ model.fk(arm.name, q[arm.name])
    world_T_grasp[:3, 3] = point
    base_T_grasp = se3.inverse(model.world_T_base(arm.name)) @ world_T_grasp
    xyz, safety = base_T_grasp[:3, 3], arm.safety
    if np.any(xyz < safety.workspace_min) or np.any(xyz > safety.workspace_max):
        return False
    ik = DifferentialIk(model)
    for _ in range(300):
        result = ik.step(q, {arm.name: base_T_grasp}, 0.01)
        q = dict(result.q)
        if result.position_error_m < 1e-3 and result.rotation_error_rad < 1e-2:
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_the_head_camera_sees_every_place_where_objects_are(name):
    model, sim = model_of(name), model_of(name).spec.sim
    head = model.spec.cameras[0]
    camera_T_world = se3.inverse(model.world_T_frame(head.frame, home(model)))
    for offset in itertools.product((-0.5, 0.5), repeat=2):
        place = np.array(sim.table_center) + np.array(offset) * sim.spawn_size
        u, v = _pixel(head, camera_T_world, np.array([*place, sim.table_height]))
        assert 0 < u < head.width and 0 < v < head.height, f"{place} is at ({u:.0f}, {v:.0f})"


@pytest.mark.parametrize("name", NAMES)
def test_wrist_cameras_see_their_own_tool(name):
    model = model_of(name)
    for camera in model.spec.cameras[1:]:
        arm = model.spec.arm(camera.role.removesuffix("_wrist"))
        camera_T_world = se3.inverse(model.world_T_frame(camera.frame, home(model)))
        u, v = _pixel(camera, camera_T_world, model.world_T_frame(arm.tcp_frame, home(model))[:3, 3])
        assert 0 < u < camera.width and 0 < v < camera.height, f"{camera.role}: at ({u:.0f}, {v:.0f})"


@pytest.mark.parametrize("name", NAMES)
def test_the_head_image_is_upright(name):
    """What is higher in the world is higher in the image."""
    model = model_of(name)
    head, sim = model.spec.cameras[0], model.spec.sim
    camera_T_world = se3.inverse(model.world_T_frame(head.frame, home(model)))
    low = _pixel(head, camera_T_world, np.array([*sim.table_center, sim.table_height]))
    high = _pixel(head, camera_T_world, np.array([*sim.table_center, sim.table_height + 0.1]))
    assert high[1] < low[1]


def _pixel(camera, camera_T_world, point):
    """Pinhole image of a point of the world, which must be in front."""
    x, y, z = camera_T_world[:3, :3] @ point + camera_T_world[:3, 3]
    assert z > 0.01, "behind the camera"
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
