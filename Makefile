# One command each; the first one makes .venv (pip only, wheels only, no compiler). GNU make.
#   make test ARGS="tests/layers -k whitener"   a part of the tests
#   make test PYTHON=python3.12                 another interpreter for a new .venv
#   make test WORKERS=8                         all of the tests, by more processes than two
#   make test COVERAGE=1                        hold the coverage of lines, too; a third slower

PYTHON ?= python3
ARGS ?=
WORKERS ?= 2
COVERAGE ?=
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE := examples/plot_demo.py

# Whoever is done takes tests from the end of another's list, so that modules mostly stay together.
ALL_TESTS = --numprocesses $(WORKERS) --dist worksteal $(if $(COVERAGE),--cov --cov-report=term)

# Nothing from outside may stand in for what .venv holds, and nothing may wait for a window.
unexport PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PRE_COMMIT_HOME := $(CURDIR)/$(VENV)/pre-commit
export MPLBACKEND ?= Agg

# Kernels are kept by a hash of the sources: see tools/numba_cache.py.
WITH_CACHE = NUMBA_CACHE_DIR="$$($(BIN)/python tools/numba_cache.py)"

.DEFAULT_GOAL := help
.PHONY: help install test test-all test-lowest test-gpu lint format demo bench bench-gpu doc doc-quick dist \
  changes clean
.DELETE_ON_ERROR:

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-11s %s\n", $$1, $$2}'

install: ## Install the package, editable, with all that developing it takes
	@rm -f $(VENV)/installed-*
	@$(MAKE) --no-print-directory $(VENV)/installed-test $(VENV)/installed-lint

# With a process on each core, threads of OpenBLAS wait for a core in a loop: small products took 20
# times longer.
test: export OPENBLAS_NUM_THREADS ?= 1
test: $(VENV)/installed-test ## Run the tests
	@$(BIN)/python -m pytest $(or $(ARGS),$(ALL_TESTS))

test-all: ARGS = $(ALL_TESTS) --all-cases
test-all: $(VENV)/installed-onnx test ## Run the tests with all cases of large grids

# A virtual environment of its own: pip would otherwise replace the versions of .venv.
test-lowest: export OPENBLAS_NUM_THREADS ?= 1
test-lowest: $(VENV)-lowest/installed ## Run the tests with the lowest versions of all dependencies
	@$(VENV)-lowest/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

test-gpu: ## Run every test of kernels and models on this machine's GPU; an error where there is none
	@nvidia-smi --list-gpus 2>&1 | grep -q '^GPU' || \
	  { echo "make test-gpu: no GPU found (nvidia-smi --list-gpus shows none)" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(VENV)/installed-test $(VENV)/installed-$(CUDA)
	@$(BIN)/python -m pytest --gpu -m gpu $(ARGS)

lint: $(VENV)/installed-lint ## Check format, style, spelling, sizes, classes, floors, types and docstrings
	@$(BIN)/pre-commit run --all-files --config .pre-commit-config.yaml

format: $(VENV)/installed-lint ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

demo: $(VENV)/installed-demo ## Features of photographs and digits, with accuracies; images go to demo_output/
	@$(WITH_CACHE) $(BIN)/python $(EXAMPLE) $(ARGS)

bench: $(VENV)/installed-bench ## Time us against our peers: a table of ratios, and plots
	@$(WITH_CACHE) $(BIN)/python -m benchmarks.run $(ARGS)

bench-gpu: $(VENV)/installed-bench $(VENV)/installed-$(CUDA) ## Time a GPU against the processor and torch
	@$(WITH_CACHE) $(BIN)/python -m benchmarks.device $(ARGS)

doc: export OPENBLAS_NUM_THREADS ?= 1
doc: $(VENV)/installed-doc ## Build the documentation into build/doc
	@$(WITH_CACHE) $(BIN)/python -m sphinx -q -W --keep-going -b html $(SPHINX_ARGS) doc build/doc
	@echo "build/doc/index.html"

doc-quick: SPHINX_ARGS = -D plot_gallery=0
doc-quick: doc ## The same without running the examples

dist: $(VENV)/installed-dist ## Build the source distribution and the wheel into dist/, and check both
	@$(BIN)/python tools/check_dist.py

changes: $(VENV)/installed-lint ## Preview the news of the next version in CHANGES.md
	@$(BIN)/python tools/preview_changes.py

clean: ## Remove what was built and cached; .venv stays
	@rm -rf build dist demo_output *.egg-info .coverage .numba_cache .mypy_cache .pytest_cache \
	  .ruff_cache .import_linter_cache
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print | xargs rm -rf

# Setting up

# The driver's CUDA version chooses the CuPy wheel; `make test-gpu CUDA=cuda12` overrules it.
CUDA_MAJOR = $(shell nvidia-smi 2>/dev/null | sed -n 's/.*CUDA[A-Za-z ]*Version: *\([0-9]*\).*/\1/p' | head -1)
CUDA ?= $(if $(filter 11 12,$(CUDA_MAJOR)),cuda12,cuda13)

$(VENV)/created:
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# `installed-test` is the package, editable, with the extra `test`; done anew when pyproject.toml changes.
$(VENV)/installed-%: pyproject.toml | $(VENV)/created
	@echo "Installing sklearn-ebm[$*] into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable ".[$*]"
	@touch $@

$(VENV)/installed-bench: pyproject.toml benchmarks/requirements.txt | $(VENV)/created
	@echo "Installing sklearn-ebm[plot] and the benchmarks' peers into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable ".[plot]" --requirement benchmarks/requirements.txt
	@touch $@

$(VENV)-lowest/installed: pyproject.toml tools/lowest_versions.py
	@echo "Installing the lowest supported versions into $(VENV)-lowest"
	@$(PYTHON) -m venv --clear $(VENV)-lowest
	@$(PYTHON) tools/lowest_versions.py >$(VENV)-lowest/constraints.txt
	@$(VENV)-lowest/bin/python -m pip install -qq --editable ".[test]" \
	  --constraint $(VENV)-lowest/constraints.txt
	@touch $@
