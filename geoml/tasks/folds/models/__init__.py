"""Networks and estimators of the fold task, one file each."""
