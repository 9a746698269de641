"""What the report, the results page and the model cards say of the task."""

TITLE = "tremor"
ABOUT = ""
LIMITS = []
TABLES = {}
FIGURES = {}
