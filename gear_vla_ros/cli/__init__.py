"""The `gear-vla` command, and the bring-up plan that it shares with `launch/`."""
