# ck-iot-farm: every command here works in a fresh clone. `make` alone lists them.
#
# Variables one may set on the command line:
#   PYTHON=/path/to/python3.11   the interpreter for the virtual environment (default: the first 3.11 found)
#   DEVICE=gpu                   install TensorFlow with CUDA instead of the CPU build
#   POWER=RESOURCE               the power analyzer of `make benchmark` (default: virtual, which makes power up; none)
#   POWER_IDLE_S=                seconds of idling before and after each of its runs
#   TESTS=tests/power            a part of the test suite
#   FRAMES_ALEXNET=, FRAMES_VGG16=   frames per run of `make benchmark`
#   SNAPSHOT_RECORDS=FOLDER      records that `make snapshot` packs (default: those of the newest `make benchmark`)
#   SNAPSHOT_OPTIONS=            --as-they-are leaves paths and addresses in them
#   BENCH="..."                  options for `make bench`, e.g. BENCH="--only hop --rounds 9"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

DEVICE ?= cpu
VENV := .venv
BIN := $(VENV)/bin
PYTHON_SOURCES := harness power tests benchmarks deploy
LOCKS := requirements/$(DEVICE).txt requirements/runtimes.txt requirements/test.txt requirements/lint.txt
# Building ck imports it, and it makes its repositories wherever it is told to.
PIP_INSTALL := CK_REPOS=$(CURDIR)/.ck CK_TOOLS=$(CURDIR)/.ck/tools $(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation

export FRAMES_ALEXNET FRAMES_VGG16 POWER POWER_IDLE_S

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.project-installed ## make .venv with everything pinned and hashed, and this project in it

# Two stamps: the packages change with the locks, the project's own entry points with pyproject.toml.
$(VENV)/.packages-installed: requirements/build.txt $(LOCKS)
	@python="$$(requirements/find-python)"; \
	echo "== .venv with $$("$$python" --version) =="; \
	"$$python" -m venv --clear $(VENV)
	@echo "== build tools =="
	@$(PIP_INSTALL) --require-hashes -r requirements/build.txt
	@echo "== packages of $(LOCKS) (TensorFlow is large: this takes a minute or two) =="
	@$(PIP_INSTALL) --require-hashes $(addprefix -r ,$(LOCKS))
	@touch $@

$(VENV)/.project-installed: $(VENV)/.packages-installed pyproject.toml
	@echo "== ck-iot-farm =="
	@$(PIP_INSTALL) --no-deps --editable .
	@touch $@

.PHONY: benchmark
benchmark: venv ## AlexNet and VGG16 on one device and on farms of this machine, through Collective Knowledge
	@benchmarks/first_run.sh

# Three processes on two cores took 17.6 minutes, two 20.7; four are no quicker.
.PHONY: test
test: venv ## the whole test suite (npm's avsc and the report in Chromium need npm and chromium)
	$(BIN)/pytest -n 3 --dist loadgroup --no-loadscope-reorder --durations 25 $(TESTS)

.PHONY: lint
lint: venv ## ruff, mypy and the import contracts
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

# The transports that we are compared with: nothing else needs them.
$(VENV)/.bench-packages-installed: $(VENV)/.packages-installed requirements/bench.txt
	@$(PIP_INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench
bench: venv $(VENV)/.bench-packages-installed ## speed beside the alternatives, 15 minutes: results/bench/bench.md, bench.json
	$(BIN)/python -m benchmarks $(BENCH)

.PHONY: soak
soak: venv ## farms under fire, a hundred nodes, every simulated run: the long forms of docs/farm-figures.md (hours)
	@benchmarks/soak.sh

.PHONY: snapshot
snapshot: venv ## the artifact as the paper's A.7.2 has it: a zip in dist/ that installs itself beside one's own CK
	@$(BIN)/python deploy/snapshot/build.py $(if $(SNAPSHOT_RECORDS),--records $(SNAPSHOT_RECORDS)) $(SNAPSHOT_OPTIONS)

.PHONY: lock
lock: venv ## write requirements/*.txt anew (UPGRADE=--upgrade takes newer versions)
	@requirements/lock $(UPGRADE)

.PHONY: clean
clean: ## remove everything that these commands made, except results/
	rm -rf $(VENV) .ck build dist *.egg-info node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find harness power tests benchmarks deploy -type d -name __pycache__ -prune -exec rm -rf {} +
