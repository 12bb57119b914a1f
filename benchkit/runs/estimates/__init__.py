"""What runs are expected to cost, from what earlier runs have cost."""
