"""Language models that are prompted without training."""
