"""Tables of the fold task, one file each."""
