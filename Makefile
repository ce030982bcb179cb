# Two commands are enough: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SITE ?= container
SPEED ?= 300
PORT ?= 8080
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench schema docs clean needs

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

needs:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: apt-get install -y python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "venv is missing: apt-get install -y python3.11-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory needs
	@echo "environment: installing into $(VENV) (once, one to two minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "environment: adding what tests and checks need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(VENV)/.installed ## The container site live on the simulated plant and real weather, console on 127.0.0.1:8080
	@$(BIN)/mdc run $(SITE) --speed $(SPEED) --port $(PORT)

test: $(VENV)/.installed-dev ## All tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: $(VENV)/.installed-dev ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schema: $(VENV)/.installed ## Write the JSON Schemas of site, problem and plan into docs/schema
	@$(BIN)/python -m controller.schemas docs/schema

docs: $(VENV)/.installed-dev ## The docs as a site in build/docs, its reference pages from the code
	@$(BIN)/python -m controller.schemas docs/schema
	@$(BIN)/python -m controller.reference docs/reference
	@$(BIN)/python -m mkdocs build --strict
	@echo "build/docs/index.html"

bench: $(VENV)/.installed-dev ## Every benchmark, reduced
	@for file in $$(grep -l -- "--quick" benchmarks/*.py); do \
	  name=$$(basename $$file .py); echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name --quick || exit 1; \
	done

clean: ## Remove the environment and local records
	@rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis
