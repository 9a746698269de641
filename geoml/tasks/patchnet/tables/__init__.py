"""Tables of the patch task, one file each."""
