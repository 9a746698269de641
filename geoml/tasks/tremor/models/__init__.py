"""Networks and estimators of the tremor task, one file each."""
