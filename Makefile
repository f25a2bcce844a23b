# Two commands do everything on a machine with Python 3.11 to 3.13 (with venv), make and gcc:
#   make demo    set up, then run the paper's methods on its scenario and show the report
#   make test    set up, then run the tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint docs bench lock clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs out/docs

bench: $(READY)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/ordering.py

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
