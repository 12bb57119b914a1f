"""Splits of a dataset into training, validation and test; one file each."""
