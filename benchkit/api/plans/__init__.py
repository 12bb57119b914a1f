"""What a call of `run` would do, and what it is expected to cost."""
