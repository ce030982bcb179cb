"""Reasons in plain words: what binds, what the other choice would cost, what if."""
