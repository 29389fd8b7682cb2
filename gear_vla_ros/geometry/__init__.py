"""Rotations and rigid transforms as batched numpy arrays.

Conventions, here and in every room above:

* a transform is a float64 array `[..., 4, 4]` and is named by both frames, `base_T_tcp`;
* a quaternion is `[..., 4]` in the order x, y, z, w (ROS messages);
* `rot6d` is `[..., 6]`: the first column of the rotation matrix, then the second (Zhou et al. 2019);
* a twist is `[..., 6]`: linear then angular, metres and radians;
* functions trust their input; arrays are checked once, where they enter (`contracts`).
"""
