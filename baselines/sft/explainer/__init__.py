"""Tasks, prompts and connectors of RecExplainer."""
