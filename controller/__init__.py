"""Do it, write it down, show it: the daemon, its records, and everything a person touches."""
