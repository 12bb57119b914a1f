"""Papers' tables and figures by name: what each shows, and ours in its shape."""
