"""Tables of the tremor task."""
