# Every target works in a fresh clone: the first one makes a virtual environment and installs.

PYTHON ?= python3
TORCH ?= torch==2.13.0
EXTRAS ?= test,plots,images,course
VENV := .venv
RUN := $(VENV)/bin/python

ifneq ($(wildcard ../shared/mnist),)
export TINYTRAIN_DATA ?= ../shared
endif

# make train SEED=3 RUN_DIR="my runs" becomes train --run-dir 'my runs' --seed '3'. Every variable
# given on the command line becomes a flag, except these settings of the Makefile.
SETTINGS := PYTHON TORCH EXTRAS VENV COV TINYTRAIN_DATA SHELL
GIVEN = $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
dashed = $(shell echo $(1) | tr A-Z_ a-z-)
quoted = '$(subst ','\'',$(value $(1)))'
FLAGS = $(foreach name,$(sort $(filter-out $(SETTINGS),$(GIVEN))),\
	--$(call dashed,$(name)) $(call quoted,$(name)))

.PHONY: help train test test-long check course bench clean

help:
	@echo "make train     train the final net on MNIST: 15 epochs, then the verdict"
	@echo "               each flag of train is a variable: make train SEED=3 RUN_DIR=runs/mine"
	@echo "               (list of flags: $(RUN) -m tinytrain train --help)"
	@echo "make test      run the tests; with COV=1, report the lines and branches they do not reach"
	@echo "make test-long also run the tests that take minutes: kills, damaged files, torch's own cases"
	@echo "make check     ruff (lint and format) and mypy (types)"
	@echo "make course    write the course, runs/course.html, and renew the tables and pictures"
	@echo "make bench     time tinytrain against the usual loop and torch.nn; several minutes, idle machine"
	@echo "make clean     remove the virtual environment; runs/ stays"
	@echo "Another torch: make train TORCH=\"torch --index-url https://download.pytorch.org/whl/cpu\""

train: $(VENV)/installed
	@$(RUN) -m tinytrain train --or-synthetic $(FLAGS)

test: $(VENV)/$(if $(COV),checked,installed)
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto $(if $(COV),--cov)

test-long: $(VENV)/installed
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto -m ""

check: $(VENV)/checked
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy

course: $(VENV)/installed
	@$(RUN) -m tinytrain course --readme README.md

bench: $(VENV)/installed
	@$(RUN) examples/bench.py
	@$(RUN) examples/workers_bench.py

# In a terminal pip shows the progress of torch, the one large download; elsewhere only errors.
PIP := $(RUN) -m pip --disable-pip-version-check install

$(VENV)/installed: setup.cfg pyproject.toml
	@echo "Setting up $(VENV), once. First torch: 200 MB, with CUDA over 2 GB …"
	@$(PYTHON) -m venv $(VENV)
	@test -t 1 || quiet=-qq; $(PIP) $$quiet $(TORCH)
	@echo "Then tinytrain, with matplotlib, pytest and hypothesis …"
	@$(PIP) -qq --editable ".[$(EXTRAS)]"
	@touch $@

$(VENV)/checked: $(VENV)/installed
	@echo "Installing ruff, mypy and coverage into $(VENV), once …"
	@$(PIP) -qq --editable ".[check]"
	@touch $@

clean:
	rm -rf $(VENV) *.egg-info
