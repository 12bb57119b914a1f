"""Rates: comparisons of two, tests in sequence, paired yes-or-no outcomes."""
