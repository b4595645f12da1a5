# The only things needed: Python 3.11 or newer, pip and make. Set-up is incremental: a second call is quick.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_CONFIG ?= examples/configs/Qwen--Qwen3-8B/config.json

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OMP_NUM_THREADS ?= 1
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo test coverage coverage-report lint docs refresh-docs bench-smoke test-processors check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install -q -c constraints.txt -e ".[dev,docs]"
	@touch $@ $(VENV)/.stamp

demo: $(VENV)/.stamp ## first Reports: a published model file on eight H100s, and a compressed network on an array (also in out/)
	$(BIN)/slipstick estimate $(DEMO_CONFIG) h100-sxm-80gb:8 --plan tp=4,sp=true,zero=1 --batch 8 --html out/demo.html
	$(BIN)/slipstick estimate mobilenet-v2 swis-8x8 --plan formats=swis:3 --html out/demo-compressed.html

# With SLIPSTICK_COVERAGE=1 the run also notes which branches it takes, for coverage-report: about a third more time.
test: $(VENV)/.stamp-dev ## set up and run the tests
	$(if $(SLIPSTICK_COVERAGE),$(BIN)/coverage erase)
	$(BIN)/python $(if $(SLIPSTICK_COVERAGE),-m coverage run) -m pytest -q

coverage: ## run the tests and report the branch coverage of every folder
	SLIPSTICK_COVERAGE=1 $(MAKE) --no-print-directory test coverage-report

coverage-report: $(VENV)/.stamp-dev ## branch coverage of every folder in the last run with SLIPSTICK_COVERAGE=1
	$(BIN)/python tests/house/branch_coverage.py

test-processors: $(VENV)/.stamp-dev ## the tests that train networks, as other processors and with other seeds
	$(BIN)/python benchmarks/every_processor.py

lint: $(VENV)/.stamp-dev ## ruff, mypy (strict), import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.stamp-dev ## build the site into site/
	$(BIN)/mkdocs build --strict --quiet

refresh-docs: export SLIPSTICK_DATA ?= $(CURDIR)/../shared
refresh-docs: $(VENV)/.stamp-dev ## run the commands in the docs and write back what they print; needs the reference data
	$(BIN)/python docs/console.py
	$(BIN)/python docs/make_validation.py

bench-smoke: $(VENV)/.stamp-dev ## quick check of the speeds that the docs promise
	$(BIN)/python benchmarks/smoke.py

check: ## everything that CI runs
	bash .ci/run

clean: ## remove what the other targets made
	rm -rf $(VENV) site out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
