"""Tables of the slip task, one file each."""
