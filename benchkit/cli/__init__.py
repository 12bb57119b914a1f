"""The command line: wiring only. Each command is a file, and imports what it needs when it runs."""
