"""Prompts with item vectors, as LLaRA learns them."""
