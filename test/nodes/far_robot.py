"""A robot at home on another machine than the policy's: publishes cameras and joint states, counts what comes back."""

import numpy as np
from peer import Peer, image, joint_state

from gear_vla_ros.ros.topics import CAMERA, CHUNK, JOINT_STATES, LATENTS
from gear_vla_ros.settings import load_robot

SPEC = load_robot("franka")
PIXELS = np.zeros((SPEC.sim.camera_height, SPEC.sim.camera_width, 3), np.uint8)

with Peer("vlm_node") as peer:
    latents, chunks = peer.hear(LATENTS), peer.hear(CHUNK)

    def see():
        stamp_ns = peer.now_ns()
        for camera in SPEC.cameras:
            peer.say(CAMERA, image(PIXELS, camera.frame, stamp_ns), camera.topic)

    peer.every(0.01, lambda: peer.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))
    peer.every(1 / 15, see)
    peer.until(lambda: len(latents) >= 5 and len(chunks) >= 5, "five latents and five chunks", 90)
    print(f"latents {len(latents)}, chunks {len(chunks)}")
