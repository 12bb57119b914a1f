"""Language models that are tuned on which item was chosen and which were not."""
