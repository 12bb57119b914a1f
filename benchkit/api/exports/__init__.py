"""Results in the formats of others: tables with a schema, leaderboards, BibTeX."""
