"""Forward and inverse kinematics on the robot's URDF (pinocchio, pink)."""
