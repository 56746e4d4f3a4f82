# make demo: the whole benchmark on synthetic twins, and a model to try. make report: its report in one HTML file;
# CONFIG=mine.yaml names another run. make study: M1 to M6 and their controls on twins that can tell them apart, an hour or two; the
# same command continues an interrupted one. make test: every test except those of the cluster profile, which make test-slurm
# runs (root, Debian's Slurm). make test-long: the fuzz tests on 25 times as many inputs. All make their own environment in
# .venv.
RIGHT := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python $(RIGHT) 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)

CONFIG ?= config/demo.yaml
REPORT ?= results/report-$(basename $(notdir $(lastword $(CONFIG)))).html

STUDY := table3 table3_controls differences differences_controls attention

.PHONY: demo report study test test-long test-slurm lint clean
.DEFAULT_GOAL := demo

demo: .venv/installed
	snakemake --cores $(CORES) --configfile config/demo.yaml -- all final_model

report: .venv/installed
	snakemake --cores $(CORES) report --report $(REPORT) --report-after-run \
	  --report-stylesheet workflow/report/report.css --configfile $(CONFIG)
	@echo "Open $(REPORT) in a browser"

study: .venv/installed
	snakemake --cores $(CORES) --configfile config/study.yaml -- $(STUDY)
	snakemake --cores $(CORES) --configfile config/study.yaml config/study-seed2.yaml -- $(STUDY)
	snakemake --cores $(CORES) --configfile config/study.yaml config/study-control.yaml -- $(STUDY)

test: .venv/installed
	pytest

test-long: .venv/installed
	FUZZ_SCALE=25 pytest tests/fuzz

test-slurm: .venv/installed
	pytest -m slurm -rs tests/slurm

lint: .venv/installed
	ruff check .
	ruff format --check .
	snakefmt --check --line-length 120 workflow
	pytest tests/workflow -k linter  # snakemake --lint, except for its wish for a conda environment per rule

.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) $(RIGHT) || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable ".[dev,report,slurm]"
	touch $@

# .snakemake stays: it knows with which options the results of other configs were made.
clean:
	rm -rf .venv results/demo
