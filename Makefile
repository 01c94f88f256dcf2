# make run · make test · make orchestrate.diag · make check · make setup
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := plugins/fiqa_runner plugins/reflection_rules plugins/reporters
EDITABLE := -e 'plugins/fiqa_runner[serve]' -e plugins/reflection_rules -e plugins/reporters
PROJECTS := pyproject.toml constraints.txt $(foreach p,$(PLUGINS),$(p)/pyproject.toml)
# uv is used where it is already there; plain pip suffices.
UV := $(shell command -v uv 2>/dev/null)
INSTALL = $(if $(UV),VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install -q,$(BIN)/python -m pip install -q --disable-pip-version-check)

.PHONY: run setup test orchestrate.diag check bench docs clean
run: setup  ## Set up and run the built-in FiQA experiment.
	$(BIN)/orchestra run --plugins fiqa

setup: $(VENV)/.installed $(VENV)/.data  ## The environment, the four distributions, the data.

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(PROJECTS)
	$(INSTALL) -c constraints.txt -e '.[service]' $(EDITABLE)
	@touch $@

$(VENV)/.data: $(VENV)/.installed
	$(BIN)/orchestra data pull fiqa-mini
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(INSTALL) -c constraints.txt -e '.[dev]' $(EDITABLE)
	@touch $@

test: $(VENV)/.dev $(VENV)/.data  ## All tests.
	$(BIN)/python -m pytest -n 2 -q

orchestrate.diag: setup  ## Would a run work? Options by ARGS="--file my.yaml".
	$(BIN)/orchestra diag $(ARGS)

check: $(VENV)/.dev  ## ruff, mypy --strict, import rules, docs.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/mkdocs build --strict

$(VENV)/.locust: $(VENV)/.installed benchmarks/locust.txt
	$(PYTHON) -m venv $(VENV)/locust
	$(VENV)/locust/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/locust.txt
	@touch $@

bench: $(VENV)/.dev $(VENV)/.data $(VENV)/.locust  ## Measure, and write benchmarks/RESULTS.md.
	$(BIN)/python -m benchmarks

docs: $(VENV)/.dev  ## Build the documentation into site/.
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

clean:  ## Remove the environment and everything built.
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
