"""The tasks: one folder each, found by name (see :mod:`geoml.registry`)."""
