"""The parts of GEAR-VLA as torch modules. No robot software."""
