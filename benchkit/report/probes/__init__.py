"""What probes of judges found, in tables and files."""
