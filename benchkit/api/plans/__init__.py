"""What a call of `run` would do, what it is expected to cost, and its tables meanwhile."""
