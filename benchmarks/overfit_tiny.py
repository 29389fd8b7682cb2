"""Can the tiny network learn one batch by heart? Rendered observations, the expert's chunks, both losses.

    python benchmarks/overfit_tiny.py [--steps 1500] [--batch 8]

Prints one JSON line: chunk error in metres and degrees after sampling from noise, and the share of latent tokens that
are right, both on the batch that was trained on. Targets of the latent tokens are ids of a random code, one a sample.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch.nn import functional

from gear_vla_ros.contracts import ArmState, Instruction, Observation, RobotState
from gear_vla_ros.engines.arrays import letterbox
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.model.latents import to_vocabulary
from gear_vla_ros.model.sampler import sample
from gear_vla_ros.model.text import batch, make_tokens
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.sim.renderer import Renderer
from gear_vla_ros.sim.world import World
from gear_vla_ros.training.losses import arms_valid, flow_matching_loss, flow_sample

ROLES = ("head", "left_wrist", "right_wrist")
SIDES = ("left", "right")
COLOURS = ("red", "green", "blue")


def observed(robot: RobotSpec, count: int) -> list[tuple[Observation, np.ndarray]]:
    """Observations at home over differently placed cubes, and what the scripted expert would do next [30, 20]."""
    world, model, expert = World(robot, 0), RobotModel(robot), ExpertPolicy(robot)
    renderer = Renderer(world, robot.sim.camera_width, robot.sim.camera_height)
    found = []
    for seed in range(count):
        world.reset(seed)
        renderer.take(world)
        arms = {}
        for arm in robot.arms:
            q = np.array(arm.home)
            arms[arm.name] = ArmState(model.fk(arm.name, q), q, np.zeros_like(q), 1.0)
        state = RobotState(10**9, arms)
        sentence = Instruction(seed + 1, f"pick up the {COLOURS[seed % 3]} cube")
        images = {camera.role: renderer.render(camera.role).copy() for camera in robot.cameras}
        seen = Observation(10**9, images, state, sentence, scene=world.objects())
        chunk = expert.act(expert.think(seen), state)
        numbers = np.zeros((30, 20), np.float32)
        for index, side in enumerate(SIDES):
            if side in chunk.arms:
                part = chunk.arms[side]
                numbers[:, 10 * index : 10 * index + 9] = se3.to_xyz_rot6d(part.anchor_T_tcp)
                numbers[:, 10 * index + 9] = part.gripper
        found.append((seen, numbers))
    renderer.close()
    return found


def as_inputs(model: GearVla, robot: RobotSpec, seen: list[Observation]) -> Inputs:
    """One batch for the network."""
    size, joints = model.spec.view_size, len(robot.arms[0].joints)
    views = torch.zeros(len(seen), 3, 3, size, size)
    state = torch.zeros(len(seen), 2, 9 + joints + 1)
    for row, one in enumerate(seen):
        for index, role in enumerate(ROLES):
            if role in one.images:
                views[row, index] = torch.from_numpy(letterbox(one.images[role], size)).permute(2, 0, 1) / 255
        for index, side in enumerate(SIDES):
            if side in one.state.arms:
                arm = one.state.arms[side]
                state[row, index] = torch.tensor([*se3.to_xyz_rot6d(arm.base_T_tcp), *arm.q, arm.gripper])
    present = torch.tensor([[role in seen[0].images for role in ROLES]] * len(seen))
    arms = torch.tensor([[side in seen[0].state.arms for side in SIDES]] * len(seen))
    ids, mask = batch(model.tokens, [one.instruction.text for one in seen], model.spec.max_text_tokens)
    return Inputs(views, present, robot.state_projector.embodiment, state, arms, ids, mask)


def errors(found: np.ndarray, wanted: np.ndarray, arms: list[int]) -> tuple[float, float]:
    """Mean distance [m] and angle [degrees] of predicted from wanted poses, over arms that are there."""
    metres, degrees = [], []
    for arm in arms:
        at = slice(10 * arm, 10 * arm + 9)
        a, b = se3.from_xyz_rot6d(found[..., at]), se3.from_xyz_rot6d(wanted[..., at])
        metres.append(np.linalg.norm(a[..., :3, 3] - b[..., :3, 3], axis=-1).mean())
        degrees.append(np.degrees(so3.angle_between(a[..., :3, :3], b[..., :3, :3])).mean())
    return float(np.mean(metres)), float(np.mean(degrees))


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--robot", default="franka")
    options = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    robot, spec = load_robot(options.robot), load_model_spec("tiny")
    model = GearVla(spec, make_tokens(spec)).train()
    pairs = observed(robot, options.batch)
    given = as_inputs(model, robot, [seen for seen, _ in pairs])
    actions = torch.from_numpy(np.stack([numbers for _, numbers in pairs]))  # [B, 30, 20]
    valid = arms_valid(given.arm_mask, 30, 10)
    model.statistics.fit(actions, valid)
    normal = model.statistics.normalise(actions)
    groups, entries = spec.latents.groups, spec.latents.entries
    offsets = torch.arange(spec.latents.tokens) % groups * entries
    codes = torch.randint(entries, (options.batch, spec.latents.tokens)) + offsets  # [B, N]
    answer = to_vocabulary(spec, codes)
    is_action = torch.ones(spec.latents.tokens, dtype=torch.bool)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3, weight_decay=0.0)
    begun, repeats = time.perf_counter(), 4
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * (1 - step / options.steps))
        logits, prefix = model.teach(given, answer, is_action)
        words = functional.cross_entropy(logits[:, :-1].flatten(0, 1), answer.flatten())
        latents, state = model.latents.cached(prefix), model.state_tokens(given)
        drawn = [flow_sample(normal, valid) for _ in range(repeats)]
        flows = [flow_matching_loss(model.expert.velocity(d.noisy, d.time, latents, state), d) for d in drawn]
        flow = sum(flows[1:], flows[0]) / repeats
        optimizer.zero_grad()
        (words + flow).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"# step {step}: tokens {words.item():.4f}, flow {flow.item():.4f}", flush=True)
    model.eval()
    with torch.inference_mode():
        ids, latents = model.decode(model.read(given))
        state = model.state_tokens(given)
        noise = torch.where(valid, torch.randn(options.batch, 30, 20), 0.0)
        made = sample(lambda a, t: torch.where(valid, model.expert.velocity(a, t, latents, state), 0.0), noise, 10)
        chunk = model.statistics.denormalise(made).double().numpy()
    arms = [i for i in range(2) if given.arm_mask[0, i]]
    metres, degrees = errors(chunk, actions.double().numpy(), arms)
    print(
        json.dumps(
            {
                "benchmark": "overfit_tiny",
                "robot": options.robot,
                "batch": options.batch,
                "steps": options.steps,
                "minutes": round((time.perf_counter() - begun) / 60, 1),
                "latent_token_accuracy": round(float((ids == codes).float().mean()), 4),
                "chunk_error_m": round(metres, 5),
                "chunk_error_degrees": round(degrees, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
