"""What runs the network: one interface, PyTorch behind it. Arrays in, arrays out; nothing above sees a tensor."""
