# The whole developer interface. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes --only-binary :all: -r

.PHONY: help demo test test-soak test-browser check format bench docs screenshots lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cineloop needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 2; }
	@echo "creating the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: locks/demo.txt pyproject.toml | $(BIN)/python
	@echo "installing what the demo needs (locked, wheels only)"
	@$(INSTALL) locks/demo.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: locks/test.txt pyproject.toml | $(BIN)/python
	@echo "installing what the tests need (locked, wheels only)"
	@$(INSTALL) locks/test.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: locks/dev.txt pyproject.toml | $(BIN)/python
	@echo "installing what developing needs (locked, wheels only)"
	@$(INSTALL) locks/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.test $(VENV)/.demo

demo: $(VENV)/.demo ## from logs to one member's home screen and one pitch's forecast, in the workspace ./studio
	@$(BIN)/cineloop --workspace studio demo

test: $(VENV)/.test ## the tests
	@$(BIN)/python -m pytest

test-soak: $(VENV)/.test ## the long ones: kill -9, thousands of malformed inputs
	@$(BIN)/python -m pytest -m soak

test-browser: $(VENV)/.test ## the report in a real headless browser (Debian's chromium; skips where there is none)
	@$(BIN)/python -m pytest -m browser

check: $(VENV)/.dev ## lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## put the code in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## every benchmark, one after another (each is also one command of its own)
	@for each in ingest play_quality play_speed; do $(BIN)/python benchmarks/$$each.py || exit 1; done

docs: $(VENV)/.demo ## the reference of the command line, written from the code
	@$(BIN)/python scripts/reference.py > docs/cli.md

screenshots: $(VENV)/.test demo ## the pictures in the README, from real pages
	@$(BIN)/python scripts/screenshots.py

lock: ## resolve the lock files anew
	@UV=$(BIN)/uv scripts/lock.sh

clean: ## remove the environment and the demo's workspace
	rm -rf $(VENV) studio
