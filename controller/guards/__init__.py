"""Guards: single-task pure functions that narrow what is asked of the devices."""
