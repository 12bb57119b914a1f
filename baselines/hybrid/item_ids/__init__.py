"""Ids of items that a model writes: how they are made, and what methods share that do."""
