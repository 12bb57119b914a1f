"""What preference training left behind."""
