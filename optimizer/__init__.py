"""What to do: from a planning problem to a plan, with proof and reasons."""
