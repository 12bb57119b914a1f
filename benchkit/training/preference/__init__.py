"""Preference optimisation: losses, examples, and the recommender that trains on them."""
