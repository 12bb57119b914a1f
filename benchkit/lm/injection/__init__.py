"""Vectors of items inside prompts, in the place of tokens."""
