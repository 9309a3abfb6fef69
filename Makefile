# What a person or a machine does with this repository. `make` alone lists it.
# Works with the make of Debian and of macOS (3.81); needs Python 3.11 or newer. What the tests need is in `.ci/run`.

PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$each >/dev/null 2>&1 && $$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && { echo $$each; break; }; done)
# Container images often set this. Every program that is started would then compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
WORKERS ?= auto
DATA ?= lockhouse-data
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

.PHONY: help setup develop tools run demo test lint check bench soak requirements reference clean

help:
	@echo 'make setup    .venv/ with .venv/bin/lockhouse in it'
	@echo 'make run      serve on the embedded default, data in $(DATA)/'
	@echo 'make demo     two developers, one state: plain S3 + DynamoDB loses a write, Lockhouse does not'
	@echo 'make test     all tests'
	@echo 'make check    lint, types, import rules, fast tests'
	@echo 'make bench    measure beside moto, dynalite and others'
	@echo 'make soak     the long forms of the tests'
	@echo 'make reference      write docs/reference from the tables in the code'
	@echo 'make requirements   resolve requirements/*.txt anew from pyproject.toml'

.venv/python:
	@test -n '$(PYTHON)' || { echo 'error: cannot find Python 3.11 or newer with its venv module' >&2; \
		echo 'hint: on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime: .venv/python requirements/runtime.txt requirements/build.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/develop: .venv/runtime requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: .venv/runtime

develop: .venv/develop

tools: .venv/develop
	$(BIN)/python tests/e2e/toolchain/install.py

run: .venv/runtime
	@exec $(BIN)/lockhouse serve --data '$(DATA)'

demo: .venv/develop
	$(BIN)/python tests/e2e/toolchain/install.py --only terraform-1.15.5
	@$(BIN)/python -m demo

test: tools
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --durations 30 -m 'not soak'

lint: .venv/develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not soak' tests/unit tests/contract tests/model

bench: .venv/develop
	$(BIN)/python tests/e2e/toolchain/install.py --only terraform-1.15.5 node
	@$(BIN)/python -m bench

soak: .venv/develop
	$(BIN)/python tests/e2e/toolchain/install.py --all
	$(BIN)/python -m pytest -n $(WORKERS) -m soak

requirements: .venv/develop
	$(COMPILE) --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) --extra otel --constraint requirements/runtime.txt --output-file requirements/otel.txt pyproject.toml
	$(COMPILE) --extra dev --extra otel --constraint requirements/otel.txt --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --only-build-deps --build-deps-for editable --build-deps-for wheel --constraint requirements/dev.txt \
		--output-file requirements/build.txt pyproject.toml

reference: .venv/develop
	$(BIN)/python scripts/write_reference.py

clean:
	rm -rf .venv .tools
