"""Scores that only first motions have: how published figures of polarity count (method card, section 8)."""

UP, DOWN, UNKNOWN = 0, 1, 2  # U, D, N
