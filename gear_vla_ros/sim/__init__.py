"""MuJoCo in place of the robot: a world built from the same URDF and YAML, a renderer, tasks with success predicates."""
