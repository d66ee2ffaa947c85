# Everything sets itself up: a machine needs Python 3.13, 3.12 or 3.11, make, and a package index.

SHELL := /bin/bash
VENV := .venv
TOOLS := $(VENV)/tools.d

# The newest Python that can make an environment, unless PYTHON names one. A name in PATH may lead
# nowhere (pyenv's do), so each is asked.
VERSION_OF = import ensurepip, sys, venv; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit(1); print("%d.%d.%d" % v[:3])
ifndef PYTHON
PYTHON := $(shell for p in python3.13 python3.12 python3.11; do $$p -c '$(VERSION_OF)' >/dev/null 2>&1 && echo $$p && break; done)
endif
VERSION := $(shell "$(PYTHON)" -c '$(VERSION_OF)' 2>/dev/null)

# What an environment is made of: its Python, and the folder that its scripts name. The stamp of one
# that is whole says the folder; one without pip has no version.
made_of = $(shell $(1)/bin/python -c 'import pip; $(VERSION_OF)' 2>/dev/null) $(shell cat $(2) 2>/dev/null)

# The made-up feed keeps a home of its own, so that its odds never mix with real ones.
FEED ?= live
GIVEN_HOME := $(value PREDICTIT_HOME)
GIVEN_HOME := $(if $(GIVEN_HOME),$(if $(filter /%,$(GIVEN_HOME)),,$(CURDIR)/)$(GIVEN_HOME))
SAMPLE_HOME := $(or $(GIVEN_HOME),$(CURDIR)/data/sample)
LIVE_HOME := $(or $(GIVEN_HOME),$(CURDIR)/data)
HOME_OF_FEED := $(if $(filter sample,$(FEED)),$(SAMPLE_HOME),$(LIVE_HOME))
WITH_FEED := $(if $(filter sample,$(FEED)),predictit sample run --demo)
# The project decides dbt's flags, not the shell.
unexport $(filter DBT_%,$(.VARIABLES))
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help

demo: export PREDICTIT_HOME := $(SAMPLE_HOME)
demo: $(VENV)/run ## offline: made-up payloads of all sources through the whole graph, and their pages
	@predictit sample demo

run: export PREDICTIT_HOME := $(LIVE_HOME)
run: $(VENV)/run ## one live poll of PredictIt through the whole graph, and the board
	@predictit poll || { echo "Without PredictIt, try the made-up feed: make demo" >&2; exit 1; }
	predictit build --from today
	predictit board

dev: export PREDICTIT_HOME := $(HOME_OF_FEED)
dev: export DAGSTER_HOME := $(HOME_OF_FEED)/dagster
dev: $(VENV)/run ## the Dagster UI on http://127.0.0.1:3000 (FEED=sample: the made-up feed)
	@! (exec 3<>/dev/tcp/127.0.0.1/$(or $(PORT),3000)) 2>/dev/null || { echo "error: something answers on port $(or $(PORT),3000) already: make dev PORT=3001" >&2; exit 1; }
	@mkdir -p "$$DAGSTER_HOME" && cp dagster.yaml "$$DAGSTER_HOME/"
	$(WITH_FEED) dg dev --host 127.0.0.1 --port $(or $(PORT),3000)

docs: $(VENV)/dev ## these pages as a site, with every table, column and their lineage, offline
	rm -rf docs/_build
	python docs/dbt_page.py docs/_build/dbt-page/dbt.html
	$(SITE) -b html . docs/_build/site
	@echo "$$PWD/docs/_build/site/index.html"

# A link or an anchor that leads nowhere is a warning, and a warning is an error.
SITE := python -m sphinx -c docs -d docs/_build/doctrees --fresh-env --fail-on-warning --quiet

test: $(VENV)/dev ## the tests that need no processes of their own
	pytest -n 2 --durations 30 --ignore tests/system

test-system: $(VENV)/dev ## the tests with real processes, kills, servers, and the cloud's emulators
	pytest -n 2 --durations 30 tests/system

bench: $(VENV)/dev ## how fast it is (QUICK=1: only whether the bench works; RUNS=5 ONLY=…; bench/README.md)
	python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(BOARD_DAYS),--board-days $(BOARD_DAYS)) $(if $(PEERS),--peers $(PEERS))

soak: $(VENV)/dev ## whether anything is ever lost or wrong: kills, mutated payloads, full disks (MINUTES=60 SEED=… ONLY=… SOURCES=…)
	python -m soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only "$(ONLY)") $(if $(SOURCES),--sources $(SOURCES)) $(if $(KEEP),--keep $(KEEP))

lint: $(VENV)/dev ## format, lint and types of Python and SQL
	ruff format --check .
	ruff check .
	mypy
	sqlfluff lint dbt_project
	$(SITE) -b dummy . docs/_build/checked

format: $(VENV)/dev ## mend what ruff and sqlfluff can
	ruff format .
	ruff check --fix .
	sqlfluff fix --quiet dbt_project

lock: $(VENV)/dev ## pin anew what pyproject.toml asks for (hashes, no addresses)
	pip install --quiet "uv==0.13.8"
	uv pip compile pyproject.toml --extra production --extra dev --extra docs $(UNIVERSAL) $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --extra production -c requirements/dev.txt $(UNIVERSAL) $(LOCK) -o requirements/production.txt
	uv pip compile pyproject.toml -c requirements/dev.txt $(UNIVERSAL) $(LOCK) -o requirements/run.txt
	uv pip compile deploy/lambda/requirements.in -c requirements/dev.txt --python-version 3.13 $(LOCK) -o deploy/lambda/requirements.txt
	uv pip compile deploy/tools.in $(UNIVERSAL) $(LOCK) -o deploy/tools.txt

# One lock for each Python and system; the function has the Python that deploy/terraform names.
UNIVERSAL := --universal --python-version 3.11 --fork-strategy fewest
LOCK := --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

drill: export PREDICTIT_HOME := $(HOME_OF_FEED)
drill: $(VENV)/run ## lose the warehouse and Dagster's history of a copy, and get all of it back (FEED=sample)
	$(WITH_FEED) python deploy/drill.py

lambda: $(VENV)/run ## the zip of the poller that needs no Dagster (dist/poller.zip)
	python deploy/lambda/bundle.py

check-deploy: $(TOOLS)/made ## Dockerfile, compose, Helm values, workflows and Terraform, as far as they can be checked
	$(TOOLS)/bin/hadolint Dockerfile
	$(TOOLS)/bin/yamllint --strict .
	$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(TOOLS)/bin/zizmor --offline --quiet .
	$(TOOLS)/bin/checkov --config-file deploy/terraform/.checkov.yaml --skip-download
	terraform fmt -check -diff -recursive deploy/terraform
	terraform -chdir=deploy/terraform init -backend=false -input=false -lockfile=readonly
	terraform -chdir=deploy/terraform validate

audit: $(TOOLS)/made ## known holes in what is locked (asks the internet)
	for lock in requirements/production.txt requirements/dev.txt deploy/lambda/requirements.txt; do \
	  $(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; \
	done

clean: ## remove the environment and what the made-up feed left (never your own data)
	rm -rf $(VENV) data/sample dbt_project/target

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# An environment that another Python made, that came here with a moved folder, or that was left
# half-made is made anew; one that is only older than its lock is brought up to it.
ifneq ($(call made_of,$(VENV),$(VENV)/run),$(VERSION) $(CURDIR))
NEW_VENV := --clear
$(VENV)/run $(VENV)/dev: anew
endif
ifneq ($(call made_of,$(TOOLS),$(TOOLS)/made),$(VERSION) $(CURDIR))
$(TOOLS)/made: anew
endif

# Between pip's line for each package and its silence of minutes: a line for every 25th.
PIP_INSTALL = -m pip --disable-pip-version-check install --no-deps
TELL = while read -r did _; do case $$did in \
	Collecting) ((++n % 25)) || echo "  $$n packages";; \
	Installing) echo "  $$n packages, to be unpacked";; esac; done

define find_python
@test -n "$(VERSION)" || { echo "error: $(if $(PYTHON),PYTHON=$(PYTHON) isn't a,there is no) Python 3.13, 3.12 or 3.11 with its modules venv and ensurepip (Debian: python3-venv): install one, or name it: make PYTHON=..." >&2; exit 1; }
endef

define install
$(find_python)
@rm -f $(VENV)/run $(VENV)/dev
$(if $(NEW_VENV),@"$(PYTHON)" -m venv --clear $(VENV))
@echo "installing $< into $(VENV) with Python $(VERSION) (a minute or more)"
@set -o pipefail; $(VENV)/bin/python $(PIP_INSTALL) --progress-bar off --require-hashes -r $< | { $(TELL); }
@$(VENV)/bin/python $(PIP_INSTALL) --quiet --no-build-isolation -e .
endef

# The run environment is what users need; the dev environment adds the tools of the project.
$(VENV)/run: requirements/run.txt pyproject.toml
	$(install)
	@pwd -P > $@

$(VENV)/dev: requirements/dev.txt pyproject.toml
	$(install)
	@pwd -P | tee $(VENV)/run > $@

# What checks the deployment has an environment of its own: its needs would bind the pipeline's.
$(TOOLS)/made: deploy/tools.txt
	$(find_python)
	@rm -f $@
	@"$(PYTHON)" -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/python $(PIP_INSTALL) --quiet --require-hashes -r $<
	@pwd -P > $@

.PHONY: demo run dev docs bench soak test test-system lint format lock drill lambda check-deploy audit clean help anew
