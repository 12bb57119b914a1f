"""Reports: everything a reader sees, computed from the run store alone."""
