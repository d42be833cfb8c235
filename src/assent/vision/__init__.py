"""Pixels to templates: decode, detect, align, embed, judge quality, redact, draw. Pure: arrays in, results out."""
