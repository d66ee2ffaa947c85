# Everything sets itself up: a machine needs Python 3.11 and make, and a package index.

PYTHON ?= python3.11
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
TOOLS := $(VENV)/tools.d/bin
SHELL := /bin/bash

# The made-up feed keeps a home of its own, so that its odds never mix with real ones.
FEED ?= live
SAMPLE_HOME := $(or $(PREDICTIT_HOME),$(CURDIR)/data/sample)
LIVE_HOME := $(or $(PREDICTIT_HOME),$(CURDIR)/data)
HOME_OF_FEED := $(if $(filter sample,$(FEED)),$(SAMPLE_HOME),$(LIVE_HOME))
WITH_FEED := $(if $(filter sample,$(FEED)),predictit sample run)
# Polled each minute as the real one is, and built more often: people watch it.
PACE := $(if $(filter sample,$(FEED)),PREDICTIT_POLL_INTERVAL=60 PREDICTIT_TODAY_MINUTES=5)
# The project decides dbt's flags, not the shell.
unexport $(filter DBT_%,$(.VARIABLES))
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: export PREDICTIT_HOME := $(SAMPLE_HOME)
demo: $(VENV)/run ## offline: a week of made-up odds through the whole graph, and the board
	predictit sample archive $(PREDICTIT_HOME)/archive
	predictit import $(PREDICTIT_HOME)/archive
	predictit sample run predictit poll
	predictit sample run predictit build
	predictit sample run predictit fetch
	predictit sample run predictit build --from today
	predictit board
	@echo "The board again:               PREDICTIT_HOME=\"$(PREDICTIT_HOME)\" $(VENV)/bin/predictit board"
	@echo "Its page, in a browser:        $(PREDICTIT_HOME)/objects/report/predictit.html"
	@echo "The same graph in the UI:      make dev FEED=sample"

run: export PREDICTIT_HOME := $(LIVE_HOME)
run: $(VENV)/run ## one live poll of PredictIt through the whole graph, and the board
	@predictit poll || { echo "Without PredictIt, try the made-up feed: make demo" >&2; exit 1; }
	predictit build --from today
	predictit board

dev: export PREDICTIT_HOME := $(HOME_OF_FEED)
dev: export DAGSTER_HOME := $(HOME_OF_FEED)/dagster
dev: $(VENV)/run ## the Dagster UI on http://127.0.0.1:3000 (FEED=sample: the made-up feed)
	@! (exec 3<>/dev/tcp/127.0.0.1/$(or $(PORT),3000)) 2>/dev/null || { echo "error: something answers on port $(or $(PORT),3000) already: make dev PORT=3001" >&2; exit 1; }
	@mkdir -p $(DAGSTER_HOME) && cp dagster.yaml $(DAGSTER_HOME)/dagster.yaml
	$(PACE) $(WITH_FEED) dg dev --host 127.0.0.1 --port $(or $(PORT),3000)

docs: export PREDICTIT_HOME := $(HOME_OF_FEED)
docs: $(VENV)/run ## the tables, columns and lineage as one HTML page (FEED=sample: the made-up feed's)
	@test -f $(PREDICTIT_HOME)/warehouse.duckdb || { echo "error: nothing is built in $(PREDICTIT_HOME) yet: make demo, or make run" >&2; exit 1; }
	dbt docs generate --static --project-dir dbt_project --profiles-dir dbt_project --target-path $(PREDICTIT_HOME)/docs --log-path $(PREDICTIT_HOME)/docs --quiet
	@echo $(PREDICTIT_HOME)/docs/static_index.html

test: $(VENV)/dev ## the tests that need no processes of their own
	pytest -n 2 --ignore tests/system

test-system: $(VENV)/dev ## the tests with real processes, kills, servers, and the cloud's emulators
	pytest -n 2 tests/system

bench: $(VENV)/dev ## how fast it is (QUICK=1: only whether the bench works; bench/README.md)
	python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
		$(if $(BOARD_DAYS),--board-days $(BOARD_DAYS)) $(if $(PEERS),--peers $(PEERS))

lint: $(VENV)/dev ## format, lint and types of Python and SQL
	ruff format --check .
	ruff check .
	mypy
	sqlfluff lint dbt_project

format: $(VENV)/dev ## mend what ruff and sqlfluff can
	ruff format .
	ruff check --fix .
	sqlfluff fix --quiet dbt_project

lock: $(VENV)/dev ## pin anew what pyproject.toml asks for (hashes, no addresses)
	pip install --quiet "uv==0.13.8"
	uv pip compile pyproject.toml --extra production --extra dev $(LOCK) -o requirements/dev.lock
	uv pip compile pyproject.toml --extra production -c requirements/dev.lock $(LOCK) -o requirements/production.lock
	uv pip compile pyproject.toml -c requirements/dev.lock $(LOCK) -o requirements/run.lock
	uv pip compile deploy/lambda/requirements.in -c requirements/dev.lock $(LOCK) -o deploy/lambda/requirements.lock
	uv pip compile deploy/tools.in $(LOCK) -o deploy/tools.lock

LOCK := --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

lambda: $(VENV)/run ## the zip of the poller that needs no Dagster (dist/poller.zip)
	python deploy/lambda/bundle.py

check-deploy: $(VENV)/tools ## Dockerfile, compose, Helm values, workflows and Terraform, as far as they can be checked
	$(TOOLS)/hadolint Dockerfile
	$(TOOLS)/yamllint --strict .
	$(TOOLS)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(TOOLS)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(TOOLS)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(TOOLS)/zizmor --offline --quiet .
	$(TOOLS)/checkov --config-file deploy/terraform/.checkov.yaml --skip-download
	terraform fmt -check -diff -recursive deploy/terraform
	terraform -chdir=deploy/terraform init -backend=false -input=false
	terraform -chdir=deploy/terraform validate

audit: $(VENV)/tools ## known holes in what is locked (asks the internet)
	for lock in requirements/production.lock requirements/dev.lock deploy/lambda/requirements.lock; do \
	  $(TOOLS)/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; \
	done

clean: ## remove the environment and what the made-up feed left (never your own data)
	rm -rf $(VENV) data/sample dbt_project/target

# The run environment is what users need; the dev environment adds the tools of the project.
$(VENV)/run: requirements/run.lock pyproject.toml
	@$(MAKE) --no-print-directory _install LOCKED=requirements/run.lock
	@touch $@

$(VENV)/dev: requirements/dev.lock pyproject.toml
	@$(MAKE) --no-print-directory _install LOCKED=requirements/dev.lock
	@touch $(VENV)/run $@

# What checks the deployment has an environment of its own: its needs would bind the pipeline's.
$(VENV)/tools: deploy/tools.lock
	$(PYTHON) -m venv $(VENV)/tools.d
	@$(TOOLS)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

_install:
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON): install Python 3.11, or name it: make PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing $(LOCKED) into $(VENV) (a minute or more)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCKED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .

.PHONY: help demo run dev bench test test-system lint format lock lambda check-deploy audit clean _install
