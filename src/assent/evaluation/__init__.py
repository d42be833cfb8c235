"""Scores to error rates with intervals, for any face matcher: what ``assent audit`` computes.

Pure: arrays and score files in, frozen dataclasses out; no store, no engine, no network. ``result`` is what
comes out and what reports read. Intervals need SciPy (the extra ``audit``).
"""
