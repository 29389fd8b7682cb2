"""Ways to get a chunk: the GEAR-VLA network, the simulator's scripted expert."""
