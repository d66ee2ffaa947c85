"""What only PredictIt has: the board, the report, alerts of moves."""
