"""Reports that compute and write only what has changed since the last one."""
