"""Statement checks: what of a rationale the user's history, reviews and item texts support."""
