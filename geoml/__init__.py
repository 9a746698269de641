"""geoml: a workflow engine for deep learning in the geosciences."""

__version__ = "0.1.0"
