"""Pixels to templates: decode, detect, align, embed, judge, redact, draw. Pure: arrays in, results out."""
