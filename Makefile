# make demo   set up, serve a synthetic cast, refresh, recognise: no key, no GPU, no network
# make test   set up, lint, test
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-tools
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: demo xray-demo test lint format setup setup-dev lock clean up down ops-test web-test sbom audit backup-test
.DEFAULT_GOAL := test

demo: setup
	@$(BIN)/elenco demo

# A short film of the demo's people, and who is on screen in it
xray-demo: setup
	@test -e models/recogniser/current || $(BIN)/elenco demo
	@$(BIN)/python -m elenco.demo.film data/demo/film.mp4
	@ELENCO_CONFIG=config/demo.toml $(BIN)/elenco xray data/demo/film.mp4 --cast data/demo/film.toml --out data/demo/xray
	@echo "xray-demo: open data/demo/xray/index.html in a browser"

# A process a core, each with its servers, whole refreshes first; a crash in native code says where.
test: setup-dev lint
	@PYTHONFAULTHANDLER=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

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
	@$(BIN)/uv pip compile pyproject.toml --extra dask --extra s3 --group build --group dev --constraint requirements/run.txt $(LOCK) --output-file requirements/dev.txt
	@$(BIN)/uv pip compile --group tools $(LOCK) --output-file requirements/tools.txt
	@$(MAKE) --no-print-directory --always-make requirements/gpu.txt
LOCK := --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# What is there beside run.txt where the worker has an NVIDIA GPU: TensorFlow's own CUDA libraries.
requirements/gpu.txt: requirements/run.txt
	@$(BIN)/python -m pip --quiet install uv
	@echo 'tensorflow[and-cuda]' | $(BIN)/uv pip compile - --constraint $< $(LOCK) --no-annotate \
		$$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' $<) --output-file $@

# Database, Prefect server and worker as processes: docs/operating.md
up: setup
	@$(BIN)/elenco up

down: setup
	@$(BIN)/elenco down

# Kills each of them meanwhile, and builds what the Dockerfile builds: about an hour
ops-test: setup-dev
	@ELENCO_OPS_TESTS=1 $(BIN)/python -m pytest tests/ops

# The browser app in Chromium.
web-test: setup-dev
	@$(BIN)/python -m pytest tests/web

# What is installed, as CycloneDX 1.6: same requirements, same bytes; checked against its schema.
sbom: $(TOOLS)/.installed
	@mkdir -p dist
	@$(SBOM) dist/elenco.cdx.json requirements/run.txt
	@$(SBOM) dist/elenco-gpu.cdx.json requirements/gpu.txt
	@echo "sbom: dist/elenco.cdx.json, $$(grep -c '==' requirements/run.txt) packages with their sha256;" \
		"dist/elenco-gpu.cdx.json, the $$(grep -c '==' requirements/gpu.txt) that a GPU adds"
SBOM := PYTHONWARNINGS=ignore $(TOOLS)/bin/cyclonedx-py requirements --of JSON --sv 1.6 --output-reproducible \
	--validate --pyproject pyproject.toml --output-file

# Without --strict, packages that the vulnerability service does not know would pass in silence.
audit: $(TOOLS)/.installed
	@mkdir -p dist
	@$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements/run.txt --requirement requirements/gpu.txt >dist/audit.txt 2>&1 || { cat dist/audit.txt; \
		if grep -q '^Found [0-9]* known vulnerabilit' dist/audit.txt; \
		then echo "audit: upgrade the packages above: pin them in pyproject.toml, then make lock"; \
		else echo "audit: the vulnerability service did not answer for every package: nothing is known"; fi; \
		exit 1; }
	@cat dist/audit.txt

$(TOOLS)/.installed: requirements/tools.txt
	@echo "set-up: installing $$(grep -c '==' $<) pinned packages into $(TOOLS)"
	@$(PYTHON) -m venv $(TOOLS) && echo '*' >$(TOOLS)/.gitignore
	@$(TOOLS)/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes --requirement $<
	@touch $@

# Destroy and restore: folders, S3, PostgreSQL.
backup-test: setup-dev
	@$(BIN)/python -m pytest tests/unit/test_backup.py tests/unit/test_backup_places.py \
		tests/unit/test_backup_database.py tests/unit/test_schema.py tests/unit/test_integrity.py

clean:
	@rm -rf $(VENV) $(TOOLS) .pytest_cache .ruff_cache .hypothesis
