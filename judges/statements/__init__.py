"""Checks of statements by a language model."""
