"""What the report, the results page and the model cards say of the task."""

TITLE = "patchnet"
ABOUT = ""
LIMITS = []
TABLES = {}
FIGURES = {}
