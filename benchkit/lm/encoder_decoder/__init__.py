"""Models with an encoder and a decoder (T5): building, loading, and scoring of answers."""
