# The two commands: `make demo` and `make test`. Each does everything from a bare clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OSIE ?= ../shared/osie
READY := $(VENV)/.ready

.PHONY: help setup demo test format lint type imports docs check train-default train-deepgaze train-scanpath \
	train-split segment-study train-phases explore-scanpath scanpath-table area-calibration \
	osie-table benchmark benchmark-metrics benchmark-deepgaze benchmark-painting notebooks clean

help:
	@echo "make demo           predict scikit-image's photographs, into demo/"
	@echo "make test           run the tests (needs OSIE in $(OSIE))"
	@echo "make notebooks      run the notebooks, into notebooks/executed/"
	@echo "make check          tests, lint, types, import contract, docs: what CI runs"
	@echo "make train-default  make the shipped weights again from OSIE (hours)"
	@echo "make train-scanpath train the shipped scanpath model again, on the run of train-default"
	@echo "make train-split    train spatial and scanpath models without the literature's test images"
	@echo "make segment-study  measure what segments are worth, into docs/segment-study.md (hours)"
	@echo "make train-phases   mouse traces, fixations, scanpaths on OSIE in one pipeline"
	@echo "make explore-scanpath  compare what the scanpath model may see"
	@echo "make train-deepgaze train the heads of DeepGaze I, II, IIE and III on OSIE, by folds"
	@echo "make osie-table     score baselines and models on OSIE out of fold, into docs/osie.md"
	@echo "make scanpath-table compare models' scanpaths with people's on OSIE, into docs/osie-scanpaths.md"
	@echo "make area-calibration  compare probabilities of areas with what people saw, into docs/area-calibration.md"
	@echo "make benchmark      time predictions against their backbone passes"
	@echo "make benchmark-deepgaze  time the DeepGaze models against the plain algorithm"
	@echo "make benchmark-painting  memory and time of painting segments against maps at image size"
	@echo "make benchmark-metrics  time metrics, against pysaliency with PYSALIENCY=its/python"

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

notebooks: setup
	mkdir -p notebooks/executed
	OSIE=$(realpath $(OSIE)) $(BIN)/jupyter-execute --timeout=600 --output='executed/{notebook_name}' notebooks/*.ipynb

train-default: setup
	$(BIN)/foregaze train configs/default.yaml --set data.root=$(OSIE) --output runs/default --resume
	$(BIN)/foregaze train configs/default-best.yaml --set data.root=$(OSIE) --output runs/default-best --resume
	$(BIN)/foregaze train configs/default-fast.yaml --set data.root=$(OSIE) --output runs/default-fast --resume
	$(MAKE) osie-table
	$(BIN)/python tools/ship.py runs/default
	$(BIN)/python tools/ship.py runs/default-best
	$(BIN)/python tools/ship.py runs/default-fast

train-scanpath: setup
	$(BIN)/foregaze train configs/default.yaml --set data.root=$(OSIE) --set 'parts=[folds,all,pairs]' --output runs/default --resume
	$(BIN)/foregaze train configs/default-scanpath.yaml --set data.root=$(OSIE) --output runs/default-scanpath --resume
	$(BIN)/python tools/ship.py runs/default-scanpath

train-split: setup
	$(BIN)/foregaze train configs/osie-split-default.yaml --set data.root=$(OSIE) --output runs/osie-split-default --resume
	$(BIN)/foregaze train configs/osie-split-scanpath.yaml --set data.root=$(OSIE) --output runs/osie-split-scanpath --resume
	$(BIN)/foregaze train configs/osie-split-deepgaze3.yaml --set data.root=$(OSIE) --output runs/osie-split-deepgaze3 --resume

segment-study: setup
	$(BIN)/python tools/segment_study.py --osie $(OSIE)

train-phases: setup
	$(BIN)/foregaze run configs/pipelines/osie.yaml --set base.data.root=$(OSIE) --output runs/three-phases --resume

explore-scanpath: setup
	$(BIN)/python tools/explore_scanpath.py

train-deepgaze: setup
	for run in osie-deepgaze2 osie-deepgaze1 osie-deepgaze2e osie-deepgaze3; do \
		$(BIN)/foregaze train configs/$$run.yaml --set data.root=$(OSIE) --output runs/$$run --resume \
		|| exit; done

osie-table: setup
	@test -e runs/default-best/fold-4/model.safetensors || $(MAKE) train-default
	@test -e runs/osie-deepgaze3/report.json || $(MAKE) train-deepgaze
	$(BIN)/python tools/osie_table.py --osie $(OSIE)
	$(BIN)/python tools/write_numbers.py

scanpath-table: setup
	@test -e runs/osie-deepgaze3/report.json || $(MAKE) train-deepgaze
	@test -e runs/default-scanpath/report.json || $(MAKE) train-scanpath
	@test -e runs/osie-split-deepgaze3/all/model.safetensors || $(MAKE) train-split
	$(BIN)/python tools/scanpath_table.py --osie $(OSIE)

area-calibration: setup
	@test -e runs/default-scanpath/report.json || $(MAKE) train-scanpath
	$(BIN)/python tools/area_calibration.py --osie $(OSIE)

benchmark-metrics: setup
	$(BIN)/python tools/benchmark_metrics.py --osie $(OSIE) $(if $(PYSALIENCY),--pysaliency-python $(PYSALIENCY))

benchmark-deepgaze: setup
	$(BIN)/python tools/benchmark_deepgaze.py --osie $(OSIE)

benchmark-painting: setup
	$(BIN)/python tools/benchmark_painting.py

benchmark: setup
	$(BIN)/python tools/benchmark.py --osie $(OSIE)

clean:
	rm -rf $(VENV) demo site notebooks/executed
