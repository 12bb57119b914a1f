"""Ranks of rows with their uncertainty, in every table."""
