# The commands for developers and CI. `make help` lists the targets. Each target first installs what it needs.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.8
UV := .uv/bin/uv
BIN := .venv/bin

# .venv is installed from uv.lock. These variables of the caller's shell must not affect it.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PIP_FIND_LINKS PIP_TARGET PIP_USER PIP_REQUIRE_VIRTUALENV
unexport UV_PROJECT UV_PROJECT_ENVIRONMENT UV_PYTHON UV_FIND_LINKS UV_NO_DEV UV_NO_SYNC UV_WORKING_DIRECTORY
unexport UV_SYSTEM_PYTHON UV_NO_EDITABLE UV_LOCKED UV_FROZEN UV_OFFLINE
export UV_PYTHON_DOWNLOADS := never
# uv trusts the system's certificates, which is necessary behind a proxy that intercepts TLS. Without system certificates,
# it trusts its own.
ifneq ($(wildcard /etc/ssl/certs/* /etc/pki/tls/certs/*),)
export UV_SYSTEM_CERTS ?= true
endif
export TF_CPP_MIN_LOG_LEVEL ?= 2

# The options of the short benchmark. Override them with `make bench BENCH="--payload 100MB --silos 2,4,8"`.
BENCH ?= --payload 4KB,1MB --silos 2,4 --repeats 5

.PHONY: help setup demo test test-all e2e lint format bench docs stubs crds reference clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed ## install .venv from uv.lock (every other target does this first)

.uv/.installed-$(UV_VERSION):
	@python=""; \
	for candidate in python3.11 python3; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: neither python3.11 nor python3 is Python 3.11. tensorflow-federated has no release for later versions." >&2; \
	  echo "       Install it (Debian 12: apt-get install python3.11 python3.11-venv) and run make again." >&2; exit 1; \
	fi; \
	rm -rf .uv; \
	if ! "$$python" -m venv .uv; then \
	  rm -rf .uv; echo "error: $$python cannot create virtual environments. On Debian, run: apt-get install python3.11-venv" >&2; exit 1; \
	fi
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.installed: pyproject.toml uv.lock .uv/.installed-$(UV_VERSION)
	$(UV) sync --frozen --all-extras --compile-bytecode --python .uv/bin/python
	@touch $@

demo: setup ## run a federated training on this machine, with a coordinator and four silos
	$(BIN)/python examples/digits/prepare.py
	@# a complete demo starts again from the beginning; an interrupted one continues
	@if [ -f runs/digits/result/result.json ]; then rm -rf runs/digits; fi
	$(BIN)/fedjobs run examples/digits/job.yaml --silos examples/digits/silos.yaml --out runs/digits
	$(BIN)/fedjobs result runs/digits

test: setup ## run the tests on all cores in random order (PYTEST="-k word" selects tests)
	$(BIN)/pytest -n auto $(PYTEST)

test-all: setup ## run the tests, and the tests of the test clusters themselves
	$(BIN)/pytest -n auto -o norecursedirs="tests/e2e .* __pycache__" $(PYTEST)

e2e: setup ## start a real cluster on this machine and run the end-to-end tests on it
	$(BIN)/python -m tests.e2e $(E2E)

lint: setup ## run ruff, mypy and import-linter, and check that generated files are up to date
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy -p bench -p docs -p tests.cluster -p tests.e2e -p tests.helm -p tests.images
	$(BIN)/lint-imports
	$(BIN)/python protocol/stubs.py --check
	$(BIN)/python -m fedjobs_api.crds --check
	$(BIN)/python helm/crds.py --check
	$(BIN)/python helm/silo_values.py --check
	$(BIN)/python -m docs.reference --check

format: setup ## format the code and apply ruff's automatic fixes
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup ## measure the time and memory of a round, compared with the theoretical limit and TFF's runtime (short form)
	$(BIN)/python -m bench.rounds $(BENCH) --json runs/bench.json

docs: setup ## build the documentation site in site/
	NO_MKDOCS_2_WARNING=1 $(UV) run --frozen --all-extras --group docs mkdocs build --strict

stubs: setup ## generate the Python stubs from the .proto files
	$(BIN)/python protocol/stubs.py

crds: setup ## generate the CRDs, and the schema of the silo chart's values, from the models
	$(BIN)/python -m fedjobs_api.crds --write
	$(BIN)/python helm/crds.py --write
	$(BIN)/python helm/silo_values.py --write

reference: setup ## generate the reference parts of the documentation from the code
	$(BIN)/python -m docs.reference

clean: ## remove all generated files, except runs/ and the examples' data
	rm -rf .venv .uv site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
