"""Answers of two methods to one case, compared by a judge in both orders."""
