"""The judges that come with benchkit."""
