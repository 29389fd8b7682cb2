"""Recorded episodes as training data: LeRobot datasets, written and read."""
