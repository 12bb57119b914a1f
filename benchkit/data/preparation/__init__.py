"""From raw tables to frozen cases."""
