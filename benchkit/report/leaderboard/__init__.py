"""The tables of a suite, and their files."""
