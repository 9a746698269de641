"""Scores of the class tremor alone, under the names that the field uses for two classes."""

TREMOR = 1
