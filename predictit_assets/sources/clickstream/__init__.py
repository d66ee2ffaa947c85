"""Click events that are pushed."""
