"""Training a language model on any objective."""
