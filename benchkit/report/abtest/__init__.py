"""A/B tests: rates of arms, and what papers print of theirs."""
