"""Statistics: intervals, tests and corrections."""
