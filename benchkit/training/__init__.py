"""Training language models: settings, examples, one trainer, supervised fine-tuning."""
