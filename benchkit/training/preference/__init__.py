"""Training on preferences between responses (DPO and its relatives)."""
