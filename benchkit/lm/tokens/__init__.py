"""What must be right before a text becomes token ids: control tokens, and the tokenizer itself."""
