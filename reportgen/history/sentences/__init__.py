"""The diagnoses in words: what each rule says of each series, as findings or as results for the table."""
