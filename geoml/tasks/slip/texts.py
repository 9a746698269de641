"""What the report, the results page and the model cards say of the task."""

TITLE = "slip"
ABOUT = ""
LIMITS = []
TABLES = {}
FIGURES = {}
