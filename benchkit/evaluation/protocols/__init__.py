"""Evaluation protocols: how a recommender is asked, and what is recorded."""
