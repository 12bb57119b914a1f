"""Methods that train a language model on rewards of its own answers."""
