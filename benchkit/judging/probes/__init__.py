"""Probes: what a judge's grade does when something changes that should not matter, or should."""
