"""Plots of a suite."""
