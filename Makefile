# The two commands of the README, and what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
LOWEST := .venv-lowest
# Old releases use what their newer neighbours deprecate: `make test` has these as errors.
OLD := -W default::DeprecationWarning -W default::FutureWarning -W default::UserWarning
# Not in double precision: training, data, runs and the command line, whose tests read pictures, which are single; and
# what an import costs.
DOUBLE := tests/sparsecode tests/classifiers tests/frontends tests/attacks tests/sparsefront/model tests/sparsefront/evaluation \
	--ignore tests/attacks/test_import.py

.PHONY: demo test check slow float64 lowest gpu clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; try: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)  ## train with and without the top-T front end, attack both, write the report
	$(BIN)/python -m sparsefront.cli.demo

test: $(STAMP)  ## the tests; `make slow` runs the rest
	$(BIN)/python -m pytest

slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

float64: $(STAMP)  ## the engine, front ends, attacks, classifiers, the model and its evaluation in double precision
	SPARSEFRONT_TEST_DTYPE=float64 $(BIN)/python -m pytest $(DOUBLE)

$(LOWEST)/installed: pyproject.toml constraints-lowest.txt .ci/lowest.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/lowest.txt --constraint constraints-lowest.txt --editable '.[bench]'
	touch $@

lowest: $(LOWEST)/installed  ## the tests on the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest $(OLD)

check: $(STAMP)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gpu: $(STAMP)  ## all that needs a GPU, see benchmarks/gpu: make gpu GPU='--image_folder FOLDER'
	$(BIN)/python benchmarks/gpu/run_all.py --out runs/gpu_all $(GPU)

clean:
	rm -rf $(VENV) $(LOWEST) runs
