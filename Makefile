# The two commands: `make demo` and `make test`. Each does everything from a bare clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OSIE ?= ../shared/osie
READY := $(VENV)/.ready

.PHONY: help setup demo test format lint type imports docs check train-default benchmark clean

help:
	@echo "make demo           predict scikit-image's photographs, into demo/"
	@echo "make test           run the tests (needs OSIE in $(OSIE))"
	@echo "make check          tests, lint, types, import contract, docs: what CI runs"
	@echo "make train-default  make the shipped weights again from OSIE (hours)"
	@echo "make benchmark      time predictions against their backbone passes"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "foregaze needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

demo: setup
	$(BIN)/python tools/demo.py demo

test: setup
	$(BIN)/python -m pytest

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

type: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

docs: setup
	$(BIN)/mkdocs build --strict --quiet

check: test lint type imports docs

train-default: setup
	$(BIN)/foregaze train configs/default.yaml --set data.root=$(OSIE) --output runs/default --resume
	$(BIN)/foregaze train configs/default-best.yaml --set data.root=$(OSIE) --output runs/default-best --resume
	$(BIN)/foregaze train configs/default-fast.yaml --set data.root=$(OSIE) --output runs/default-fast --resume
	$(BIN)/python tools/score_folds.py runs/default-best runs/default-best/mirrored.json
	$(BIN)/python tools/ship.py runs/default runs/default/report.json
	$(BIN)/python tools/ship.py runs/default-best runs/default-best/mirrored.json
	$(BIN)/python tools/ship.py runs/default-fast runs/default-fast/report.json
	$(BIN)/python tools/write_numbers.py

benchmark: setup
	$(BIN)/python tools/benchmark.py --osie $(OSIE)

clean:
	rm -rf $(VENV) demo site
