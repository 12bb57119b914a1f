"""Language models that are asked as they are."""
