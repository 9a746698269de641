# On a fresh machine with Python 3.11 or 3.12 and make:  make demo   and   make test   do everything.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: demo long test test-slurm test-slurm-smoke test-pi test-pi-smoke lint format bench lock clean

demo: $(READY)
	$(BIN)/snakemake --profile profiles/local
	@echo
	@echo "Results:  results/index.html   to open in a browser"
	@echo "Tables:   results/tables/     Figures: results/figures/ and results/evaluation/*/*/*/*/figures/"
	@echo "For a Raspberry Pi: results/export/pi/"
	@echo "Report:   $(BIN)/snakemake --report report.html"
	@echo "The demo's networks are trained briefly; 'make long' trains them properly."

long: $(READY)
	$(BIN)/snakemake --profile profiles/local --configfile config/long.yaml --directory long

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile

# On the cluster that sbatch reaches; skipped, with the reason, where there is none.
test-slurm: $(READY)
	$(BIN)/pytest tests/slurm

test-slurm-smoke: $(READY)
	$(BIN)/pytest tests/slurm -m smoke

# In an emulated Raspberry Pi (GEOML_PI); skipped, with the reason, where there is none.
test-pi: $(READY)
	$(BIN)/pytest tests/pi

test-pi-smoke: $(READY)
	$(BIN)/pytest tests/pi -m smoke

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

bench: $(READY)
	$(BIN)/python benchmarks/run.py

# What starts most often starts fastest: bytecode is compiled here, once, not in every job.
$(READY): requirements/cpu.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else f"geoml needs Python 3.11 or 3.12; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --require-hashes -r requirements/cpu.lock
	$(BIN)/pip install --quiet --no-compile --no-build-isolation --no-deps -e .
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib geoml || true
	touch $@

# New versions: edit requirements/cpu.in, run this, then say the same in environment.yml (a test compares them).
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header requirements/cpu.in -o requirements/cpu.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header requirements/gpu.in -o requirements/gpu.lock

clean:
	rm -rf results data logs checkpoints long .snakemake
