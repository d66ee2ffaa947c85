"""Stocks: prices of every session, splits and ticker lists, asked about by day."""
