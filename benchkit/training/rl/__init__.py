"""Training on rewards of generated answers."""
