# make up     builds a keep: on the Mac named by CLAWKEEP_HOST=user@mac, on this Mac, else in a lab
# make test   runs the tests (the lab needs root on Linux); about ten minutes on two cores
# make test-all  those and the slow ones: long transfers, clocks, attacks, faults (an hour or more)
# make lint   ruff, ruff format, mypy --strict
# make bench  times the converge beside Ansible, the bridges beside haproxy, the prover, an agent,
#             backups, snapshots and looks
# make picture  draws docs/picture.svg from the declaration
# make down   ends the lab; a Mac is never touched

SHELL := /bin/bash
# The first that runs and is new enough: a version manager's shim may be there and not run.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v $$p; break; }; done)
BIN := .venv/bin
LAB ?= $(if $(CLAWKEEP_LAB),$(CLAWKEEP_LAB),default)
export CLAWKEEP_LAB := $(LAB)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# The lab is for machines that are no Mac and were given none.
LOCAL := $(shell [ -n "$(CLAWKEEP_HOST)" ] || [ "$$(uname -s)" = Darwin ] || echo lab)
# Half of a lab's test is waiting: on few cores two more than these.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -lt 4 ] && echo $$((n + 2)) || echo 4)

.PHONY: up down test test-all unit lint bench status schema picture lock clean lab-needs

up: .venv/ready $(if $(LOCAL),lab-up)
	$(BIN)/clawkeep apply
	$(BIN)/clawkeep status

status: .venv/ready
	$(BIN)/clawkeep status

down:
	@if [ -x $(BIN)/python ] && [ "$$(uname -s)" = Linux ]; then $(SUDO) $(BIN)/python -m lab down --name $(LAB); fi

.PHONY: lab-up
lab-up: .venv/ready lab-needs
	@$(SUDO) $(BIN)/python -m lab list | grep -q '^$(LAB) .*running' || $(SUDO) $(BIN)/python -m lab up --name $(LAB)

test: .venv/ready $(if $(filter Linux,$(shell uname -s)),lab-needs)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: .venv/ready $(if $(filter Linux,$(shell uname -s)),lab-needs)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

unit: .venv/ready
	$(BIN)/pytest -n $(WORKERS) tests/unit tests/operations

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready lab-needs
	$(BIN)/pip install --quiet 'ansible-core>=2.18'
	$(BIN)/python -m bench.converge
	$(BIN)/python -m bench.enforce
	$(BIN)/python -m bench.bridges
	$(BIN)/python -m bench.prover
	$(BIN)/python -m bench.agent
	$(BIN)/python -m bench.backup
	$(BIN)/python -m bench.looks
	$(BIN)/python -m bench.snapshot

schema: .venv/ready
	$(BIN)/python -m clawkeep.schema

picture: .venv/ready
	$(BIN)/clawkeep diagram --format svg --output docs/picture.svg

# The lock holds hashes and names no index: pip uses the one it is set to.
lock:
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --all-build-deps --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	  --allow-unsafe --extra dev --output-file requirements.lock pyproject.toml

.venv/ready: requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer with venv is missing (Debian: apt-get install \
	python3-venv); install it, or set PYTHON=/path/to/python3" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lab-needs:
	@./lab/install-needs

clean: down
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
