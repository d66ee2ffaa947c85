"""What is checked: schemas, freshness, completeness, and the registry of what is open to checks."""
