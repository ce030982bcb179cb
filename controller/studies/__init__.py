"""Closed-loop studies on the simulated plant: policies compared on equal terms."""
