"""How prompts and their responses lie in a forward pass, and how they attend there."""
