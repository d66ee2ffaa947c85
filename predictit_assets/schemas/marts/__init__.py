"""What analysts open first: one module a subject."""
