# Every target starts from nothing: it makes a virtual environment and installs once, then works.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
RUN := $(VENV)/bin/python

ifneq ($(wildcard ../shared/mnist),)
export TINYTRAIN_DATA ?= ../shared
endif

# make train SEED=3 EPOCHS=2 becomes --seed 3 --epochs 2.
VARIABLES := RECIPE NET EPOCHS BATCH_SIZE LR SEED DATASET DATA_DIR HOLDOUT DEVICE THREADS RUN_DIR
dashed = $(subst _,-,$(shell echo $(1) | tr A-Z a-z))
given = $(filter command,$(origin $(1)))
SWITCHES := RESUME REQUIRE_TARGET
FLAGS = $(foreach name,$(VARIABLES),$(if $(call given,$(name)),--$(call dashed,$(name)) "$($(name))")) \
	$(foreach name,$(SWITCHES),$(if $(call given,$(name)),--$(call dashed,$(name))))

.PHONY: help train test example course bench clean

help:
	@echo "make train     train the final net on MNIST: 15 epochs, then the verdict"
	@echo "               change it: make train $(foreach name,$(VARIABLES),[$(name)=…]) [RESUME=1]"
	@echo "make test      run the tests"
	@echo "make example   run examples/final_net.py, the whole recipe on one page"
	@echo "make course    render the curriculum as course.html, and the README's table, from the records"
	@echo "make bench     time tinytrain against the usual loop and torch.nn; several minutes, idle machine"
	@echo "make clean     remove the virtual environment; runs/ stays"
	@echo "Another torch: make train TORCH=\"torch --index-url https://download.pytorch.org/whl/cpu\""

train: $(VENV)/installed
	@$(RUN) -m tinytrain train --or-synthetic $(FLAGS)

test: $(VENV)/installed
	@$(RUN) -m pytest

example: $(VENV)/installed
	@$(RUN) examples/final_net.py

course: $(VENV)/installed
	@$(RUN) -m tinytrain course --readme README.md

bench: $(VENV)/installed
	@$(RUN) examples/bench.py

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet $(TORCH)
	$(RUN) -m pip install --quiet --editable ".[test,plots]"
	@touch $@

clean:
	rm -rf $(VENV) *.egg-info
