"""Hybrids of language models and collaborative filtering."""
