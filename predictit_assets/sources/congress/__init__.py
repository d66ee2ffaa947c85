"""Congress: what its members disclose of their trades, asked about by report day."""
