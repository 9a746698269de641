"""The networks; a file is a model, found by its name."""
