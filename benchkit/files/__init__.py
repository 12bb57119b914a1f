"""Files that survive: written whole, checked when read, and told apart from what a disk did."""
