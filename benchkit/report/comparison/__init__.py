"""Paired comparisons of methods."""
