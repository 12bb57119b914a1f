"""Metrics: per-case values from predictions."""
