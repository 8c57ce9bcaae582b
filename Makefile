# Both commands of the README set themselves up: a virtual environment in .venv, filled from the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

.PHONY: help check test test-cluster test-unleash lint scenarios bench house format demo docs lock clean

help:
	@echo "make check   style, types, layers, and the tests of what changed: under a minute once warm"
	@echo "make test    lint, types, layers and every test"
	@echo "make test-cluster KUBECONFIG=…  the Kubernetes strategies against that cluster"
	@echo "make test-unleash               the feature flags against the real Unleash server (needs Node)"
	@echo "make demo    the whole journey on a simulated company, on this machine only"
	@echo "make scenarios [TRANSPORT=http]   every scenario, over Socket Mode or signed HTTP;"
	@echo "             ONLY=transport: those that depend on it"
	@echo "make bench   the budgets of docs/benchmarks.md, measured on this machine (needs kubectl, curl)"
	@echo "make house [CHECK=1]  how big the house is and how far one walks in it; CHECK: fails over a budget"
	@echo "make format  let ruff mend what it can"
	@echo "make docs    write docs/configuration.md and the schemas anew"
	@echo "make lock    resolve requirements.lock anew"

# uv installs in seconds what pip takes two minutes for; where it cannot reach the index that pip is
# configured for, pip does it. Either compiles what it installs: every process would, otherwise.
$(STAMP): requirements-uv.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rollback-bot needs Python 3.11 or newer; say which one: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python has no venv module here. On Debian: apt-get install python3-venv"; exit 1; }
	$(PIP) --require-hashes -r requirements-uv.lock
	$(UV) --require-hashes -r requirements.lock || $(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tests beside what changed since SINCE: tests/ mirrors the rooms, so a room's name is its tests' name.
SINCE ?= HEAD
CHANGED = $(shell { git diff --name-only $(SINCE); git ls-files --others --exclude-standard; } | grep '\.py$$')
BESIDE = $(sort $(wildcard $(foreach file,$(CHANGED),$(if $(filter tests/%,$(file)),$(file),\
	tests/$(word 2,$(subst /, ,$(file))) $(if $(filter strategies/%,$(file)),tests/strategies/test_$(word 2,$(subst /, ,$(file))).py) $(if $(filter handlers/%,$(file)),tests/handlers)))))

check: lint
	$(BIN)/python -m benchmarks.house --no-journeys
	$(if $(BESIDE),$(BIN)/pytest -q -n 2 --dist worksteal $(BESIDE) $(SLOW:%=--ignore %),@echo "nothing changed that has tests beside it")

# Whole processes in real seconds: no more of them at a time than cores. make scenarios runs them.
SLOW := tests/scenarios tests/terminal/test_running.py tests/strategies/test_cluster_suite.py

# Four processes keep two cores busy, because most tests wait for a wire.
test: lint
	$(BIN)/pytest -n 4 --dist worksteal $(SLOW:%=--ignore %)
	$(BIN)/pytest -n 2 --dist worksteal tests/scenarios/test_journey.py

# Any cluster, also a control plane without kubelets: namespaces and a node of its own, removed after.
# The user of the kubeconfig must be an administrator.
test-cluster: $(STAMP)
	KUBECONFIG_TEST="$${KUBECONFIG:?name the kubeconfig of the cluster to test against}" \
	  $(BIN)/pytest tests/cluster

# The real Unleash server, installed from its lock file; npm runs no scripts of what it installs.
UNLEASH := build/unleash
$(UNLEASH)/.installed: tests/strategies/flag_services/unleash/package-lock.json
	@command -v npm >/dev/null || { echo "Node is not installed. On Debian: apt-get install nodejs npm"; exit 1; }
	mkdir -p $(UNLEASH)
	cp tests/strategies/flag_services/unleash/package*.json $(UNLEASH)
	npm ci --prefix $(UNLEASH) --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund --silent
	@touch $@

test-unleash: $(STAMP) $(UNLEASH)/.installed
	UNLEASH_HOME=$(CURDIR)/$(UNLEASH) $(BIN)/pytest -k unleash \
	  tests/strategies/test_feature_flag_unleash.py tests/strategies/test_feature_flag_contract.py

# Every scenario, over one of the two ways in which Slack can reach the bot. ONLY="transport" leaves
# out what the way makes no difference to: CI plays everything over Socket Mode, and those over HTTP.
scenarios: $(STAMP)
	SCENARIO_TRANSPORT=$(or $(TRANSPORT),socket) $(BIN)/pytest -n 2 --dist worksteal \
	  $(if $(ONLY),-m "$(ONLY)") $(SLOW)

# Figures, not a test: only a benchmark that cannot run fails. ONLY="ack start" chooses.
bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ONLY)

# Modules, lines, importers, circles, and the files that three journeys pass.
house: $(STAMP)
	$(BIN)/python -m benchmarks.house $(if $(CHECK),--check)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(STAMP)
	$(BIN)/python -m sandbox.demo

docs: $(STAMP)
	$(BIN)/rollback-bot schema > docs/rollback.schema.json
	$(BIN)/rollback-bot schema --markdown > docs/configuration.md
	$(BIN)/rollback-bot schema --report > docs/report.schema.json

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --group dev --extra postgres --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build
