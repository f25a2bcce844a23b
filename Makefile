# Two commands do everything on a machine with Python 3.11 to 3.13 (with venv), make and gcc:
#   make demo    set up, then run the paper's methods on its scenario and show the report
#   make test    set up, then run the tests
# While developing:
#   make check         the quick part of the tests, for every edit
#   make docs-tables   write the tables of the docs again, from benchmarks/results/*.csv

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint docs docs-tables bench lock clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/python -m pytest -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs out/docs

docs-tables: $(READY)
	$(BIN)/python benchmarks/tables.py

# How fast, and how good the methods are on the paper's defaults; benchmarks/*.toml are studies that take longer.
bench: $(READY)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/dashf study run benchmarks/ordering.toml --out out/ordering
	$(BIN)/python benchmarks/summary.py out/ordering --mean-scr

# Versions that work together, on early releases of Python 3.11 too; `make lock` renews them after a deliberate upgrade.
lock: $(READY)
	$(BIN)/pip install --upgrade --upgrade-strategy eager --editable ".[test,lint,docs]"
	$(BIN)/pip freeze --exclude-editable > constraints.txt

# Installs again after a change of the kernels: that compiles them.
$(READY): setup.cfg pyproject.toml constraints.txt setup.py $(wildcard dashf_pyomo/algorithms/dual/kernels/*.py*)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + "; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test,lint,docs]"
	touch $(READY)

clean:
	rm -rf $(VENV) build dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info dashf_pyomo/algorithms/dual/kernels/machine.*.so
