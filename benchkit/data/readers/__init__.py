"""File formats, and lines that cannot be read."""
