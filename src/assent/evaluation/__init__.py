"""Trials to error rates to a report: of our engine, of any service, or of a file of scores."""
