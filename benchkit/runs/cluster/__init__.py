"""Runs on machines that share no disk: what a run needs goes there, what it made comes back."""
