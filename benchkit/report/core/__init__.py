"""What every report is made of: results, labels, text tables."""
