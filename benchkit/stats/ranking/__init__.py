"""Ranks of methods with their uncertainty."""
