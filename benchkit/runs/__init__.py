"""Runs: plan, execution, store."""
