# Two commands to begin with: `make demo` and `make test`. Both make the environment in .venv first.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO := demo

.PHONY: demo test test-deps test-long test-oldest lint clean

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "ktrig needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@

# A piece of a nominal spill, played at the speed of the beam and drawn.
demo: $(VENV)/ready
	@mkdir -p $(DEMO)
	$(BIN)/ktrig simulate --experiment na62 --intensity 750 --duration 0.3 --seed 1 -o $(DEMO)/spill.h5
	$(BIN)/ktrig info $(DEMO)/spill.h5
	$(BIN)/ktrig replay --spill $(DEMO)/spill.h5 --speed 1
	$(BIN)/ktrig plot spill $(DEMO)/spill.h5

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The second run executes the kernels as plain Python.
test: lint
	$(BIN)/python -m pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest

# Without Prometheus and systemd-analyze the tests of dashboards/ and deploy/ that need them are left out.
test-deps:
	@{ command -v prometheus && command -v promtool && command -v systemd-analyze; } >/dev/null || deploy/prometheus/install

# What takes minutes: statistics with thousands of toys.
test-long: $(VENV)/ready
	$(BIN)/python -m pytest -m long

# The same tests with the oldest versions that pyproject.toml allows.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip --quiet install --constraint constraints-oldest.txt --editable '.[test]'
	.venv-oldest/bin/python -m pytest

clean:
	rm -rf $(VENV) .venv-oldest $(DEMO)
