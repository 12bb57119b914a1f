"""Collaborative filtering."""
