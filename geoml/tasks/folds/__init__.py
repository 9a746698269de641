"""Fold geometry from images: box, chevron or rounded."""

CLASSES = ("box", "chevron", "rounded")  # in alphabetical order, as published (card, section 1.1)
