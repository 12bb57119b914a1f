"""Retrieval by the words of texts."""
