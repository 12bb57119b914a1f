"""Training on several processes of one machine."""
