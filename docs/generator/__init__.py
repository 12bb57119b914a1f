"""Writes the reference pages of the documentation from the code: nothing is said twice."""
