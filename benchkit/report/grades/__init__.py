"""Grades of rationales by judges."""
