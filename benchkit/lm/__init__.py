"""Language models: prompts, engines, scoring and sampling of answers."""
