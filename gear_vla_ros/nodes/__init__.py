"""The nodes, one module each; `python -m gear_vla_ros.nodes.<node>` starts one."""
