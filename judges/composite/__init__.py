"""Judges made of other judges."""
