"""The small language model that is trained from scratch on a dataset."""
