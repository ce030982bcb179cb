"""Alembic migrations of the store, shipped with the program and run at start."""
