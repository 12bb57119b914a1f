"""Judges' grades corrected by labels of people, in tables and files."""
