"""Episodes on disk: rosbag2 MCAP of raw messages, written, read back, and drawn. No rclpy."""
