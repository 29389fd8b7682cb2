"""Between ROS 2 and the core: messages and contracts, QoS by intent, parameters, diagnostics, start and end of nodes."""
