# Every target starts from nothing: it makes a virtual environment and installs once, then works.

PYTHON ?= python3
TORCH ?= torch==2.13.0
EXTRAS ?= test,plots,images
VENV := .venv
RUN := $(VENV)/bin/python

ifneq ($(wildcard ../shared/mnist),)
export TINYTRAIN_DATA ?= ../shared
endif

# make train SEED=3 RUN_DIR="my runs" becomes --run-dir 'my runs' --seed '3'. Every variable of the
# command line but these is a flag, so what flags there are is known to tinytrain alone.
SETTINGS := PYTHON TORCH EXTRAS VENV COV TINYTRAIN_DATA SHELL
GIVEN = $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
dashed = $(shell echo $(1) | tr A-Z_ a-z-)
quoted = '$(subst ','\'',$(value $(1)))'
FLAGS = $(foreach name,$(sort $(filter-out $(SETTINGS),$(GIVEN))),\
	--$(call dashed,$(name)) $(call quoted,$(name)))

.PHONY: help train test test-long check mutate example course notebook bench clean

help:
	@echo "make train     train the final net on MNIST: 15 epochs, then the verdict"
	@echo "               every flag is a variable: make train SEED=3 BATCH_SIZE=64 RUN_DIR=runs/mine"
	@echo "               which there are: $(RUN) -m tinytrain train --help"
	@echo "make test      run the tests; with COV=1, see which lines and branches they reach"
	@echo "make test-long run those, too, that take minutes: kills, damaged files, torch's own cases"
	@echo "make check     ruff (rules and format) and mypy (types)"
	@echo "make mutate    200 small mistakes in the source: which do the tests not notice? some minutes"
	@echo "               SAMPLE=all is every one, SEED=2 are others, ONLY=nn/fast those of some files"
	@echo "make example   run examples/final_net.py, the whole recipe on one page"
	@echo "make course    render the curriculum as runs/course.html, and the README's tables and pictures, from the records"
	@echo "make notebook  make examples/final_net.ipynb of the example, and run it: 15 epochs"
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

mutate: $(VENV)/mutated
	@$(RUN) tests/mutate.py $(FLAGS)

example: $(VENV)/installed
	@$(RUN) examples/final_net.py

course: $(VENV)/installed
	@$(RUN) -m tinytrain course --readme README.md

notebook: $(VENV)/installed
	@$(PIP) -qq --editable ".[notebook]"
	@$(RUN) examples/make_notebook.py

bench: $(VENV)/installed
	@$(RUN) examples/bench.py
	@$(RUN) examples/workers_bench.py

# In a terminal pip draws a bar for torch, the one large download; elsewhere a line must do, and -qq
# leaves nothing but errors.
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

$(VENV)/mutated: $(VENV)/installed
	@echo "Installing cosmic-ray and coverage into $(VENV), once …"
	@$(PIP) -qq --editable ".[mutate]"
	@touch $@

clean:
	rm -rf $(VENV) *.egg-info
