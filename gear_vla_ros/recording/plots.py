"""An episode as curves: where the tools were sent, how open the grippers were, how far apart the pictures."""

from pathlib import Path

import numpy as np

from gear_vla_ros.recording.survey import Survey


def save_plots(survey: Survey, out: Path) -> Path:
    """Write a PNG: tool targets, grippers, skew to the head camera; what was not recorded stays empty."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    begin, robot = survey.begin_ns, survey.robot
    figure, (pose, gripper, skew) = pyplot.subplots(3, 1, figsize=(10, 8), sharex=True, layout="constrained")
    for topic, sent in survey.poses.items():
        times = np.array([ns - begin for ns, _ in sent]) * 1e-9
        for axis, values in zip("xyz", np.stack([xyz for _, xyz in sent]).T, strict=True):
            pose.plot(times, values, label=f"{topic.split('/')[1]} {axis}", lw=1.2)
    if robot is not None:
        for arm in robot.arms:
            if arm.gripper.joint in survey.joint_names:
                at = survey.joint_names.index(arm.gripper.joint)
                opening = [arm.gripper.opening_at(value) for value in survey.positions[:, at]]
                gripper.plot((survey.joint_ns - begin) * 1e-9, opening, label=arm.name, lw=1.2)
        head = survey.track_of(robot.cameras[0])
        for camera in robot.cameras[1:]:
            other = survey.track_of(camera)
            if head is not None and other is not None and head.stamps_ns and other.stamps_ns:
                mine, theirs = np.array(head.stamps_ns), np.array(other.stamps_ns)
                apart = np.abs(mine[:, None] - theirs[None]).min(axis=1) * 1e-6
                skew.plot((mine - begin) * 1e-9, apart, label=camera.role, lw=1.2)
    pose.set(ylabel="target [m], base frame", title=_title(survey))
    gripper.set(ylabel="gripper, 1 open", ylim=(-0.05, 1.05))
    skew.set(ylabel="skew to head [ms]", xlabel="time [s]")
    for one in (pose, gripper, skew):
        if one.lines:
            one.legend(fontsize=8, ncols=3)
    figure.savefig(out, dpi=100)
    pyplot.close(figure)
    return out


def _title(survey: Survey) -> str:
    about = survey.about
    return (
        f"{survey.path.name}: {about.get('instruction') or 'no instruction'} ({about.get('outcome') or 'no outcome'})"
    )
