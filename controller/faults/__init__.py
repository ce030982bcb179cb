"""Fault campaign: seeded faults of devices and host against the control cycle, and what has to hold in all of them."""
