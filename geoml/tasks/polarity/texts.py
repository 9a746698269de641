"""What the report, the results page and the model cards say of the task."""

TITLE = "polarity"
ABOUT = ""
LIMITS = []
TABLES = {}
FIGURES = {}
