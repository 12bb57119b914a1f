"""Methods compared two by two by judges, in tables and files."""
