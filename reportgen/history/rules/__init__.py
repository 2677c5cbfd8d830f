"""The diagnoses: a rule or a family of rules a file, each a small function from series to numbers."""
