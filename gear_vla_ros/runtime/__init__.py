"""Execution without ROS or torch: joining inputs, following chunks in time, limits, grades. Every class here is
single-threaded: whoever owns an instance calls it from one thread."""
