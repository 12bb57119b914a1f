"""Suites: what is run on what, and how it is read from a file."""
