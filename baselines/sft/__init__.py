"""Language models that are fine-tuned on interactions, with or without rationales."""
