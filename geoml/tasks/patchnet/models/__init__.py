"""Networks and estimators of the slip task, one file each."""
