"""The daemon: a small control loop, a planning worker and the console, each a process of its own."""
