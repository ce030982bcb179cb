"""The planning model, one constraint family a file; ``build`` puts them together."""
