"""Crypto: prices of the largest coins, polled in pages, and their history by coin and day."""
