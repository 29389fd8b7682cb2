"""Between ROS 2 and the core: messages and contracts, QoS by intent, parameters, diagnostics, life of nodes."""
