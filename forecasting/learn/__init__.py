"""Learned quantile models: the forest, its features, online correction."""
