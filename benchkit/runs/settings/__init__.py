"""Settings of rows: those of their models, and those that differ from dataset to dataset."""
