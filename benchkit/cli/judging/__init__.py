"""Commands on judges, one file each."""
