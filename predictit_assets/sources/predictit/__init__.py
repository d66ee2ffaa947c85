"""PredictIt: political odds, polled each minute, and how closed markets ended."""
