"""Datasets and results in the formats of other tools; nothing here changes a figure."""
