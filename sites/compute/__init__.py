"""Compute: what a GPU does at a power limit, and how long a request then takes."""
