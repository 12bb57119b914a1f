"""Draw answers from a language model in this process."""
