"""Tables of the polarity task, one file each."""
