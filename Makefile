# make demo   set up, serve a synthetic cast, refresh, recognise: no key, no GPU, no network
# make test   set up, lint, test
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: demo test lint format setup setup-dev lock clean
.DEFAULT_GOAL := test

demo: setup
	@$(BIN)/elenco demo

test: setup-dev lint
	@$(BIN)/python -m pytest

lint: setup-dev
	@echo "lint: ruff, pyright, import-linter, codespell"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell

format: setup-dev
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

setup: $(VENV)/.run-installed
setup-dev: $(VENV)/.dev-installed

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name yours with make PYTHON=…"; exit 1; }
	@echo "set-up: creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# The stamp is newer than what it was made from: set-up runs again only when that changes.
$(VENV)/.%-installed: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "set-up: installing $$(grep -c '==' $<) pinned packages from $< (about 3.5 GB, a few minutes)"
	@$(PIP) install --no-deps --require-hashes --requirement $<
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@
	@echo "set-up: done"

# Pins again from pyproject.toml. No index line and no address is written.
lock: setup-dev
	@$(BIN)/python -m pip --quiet install uv
	@$(BIN)/uv pip compile pyproject.toml --group build $(LOCK) --output-file requirements/run.txt
	@$(BIN)/uv pip compile pyproject.toml --extra dask --group build --group dev --constraint requirements/run.txt $(LOCK) --output-file requirements/dev.txt
LOCK := --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

clean:
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
