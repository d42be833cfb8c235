"""Measurements: each prints a table and writes the same as JSON to ``build/bench``."""
