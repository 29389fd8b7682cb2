"""Losses, data order, what is trainable when, and the training step of each network."""
