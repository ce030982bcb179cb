"""Solving the planning model: solver sessions, decomposition, rounding."""
