"""Language models that are fine-tuned on what users did, with or without reasons."""
