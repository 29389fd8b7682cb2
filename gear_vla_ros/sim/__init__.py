"""MuJoCo in place of the robot: a world from the same URDF and YAML, a renderer, tasks with success predicates."""
