PYTHON ?= python3
INSTALLER ?= uv
export DAGSTER_HOME ?= $(CURDIR)/.dagster
BIN := .venv/bin
AXE := .browser/node_modules/axe-core/axe.min.js
BUSY = $(if $(LOAD),$(BIN)/python -m ab_pipeline_tests.load $(LOAD))
# twice as many as there are processors: a test often waits for a process that it started
WORKERS = $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))

.PHONY: help install demo dev quick coverage test test-all seeded-faults mutants browser lint bench soak lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/'

install: .venv/installed ## the environment, with pinned and hash-checked packages (INSTALLER=pip: without uv)

# what develops holds what runs
.venv/installed: requirements.lock requirements-uv.lock pyproject.toml
	PYTHON=$(PYTHON) deploy/install.sh $(if $(wildcard .venv/developed),requirements-dev.lock,$<) $(INSTALLER)
	touch $@

.venv/developed: requirements-dev.lock requirements-uv.lock pyproject.toml
	PYTHON=$(PYTHON) deploy/install.sh $< $(INSTALLER)
	touch .venv/installed $@

PORT ?= 3000

demo: install ## sample data to tables and verdicts, then a late row that is noticed
	$(BIN)/ab-pipeline demo
	$(BIN)/ab-pipeline --demo refresh
	$(BIN)/ab-pipeline --demo summary
	$(BIN)/ab-pipeline --demo verdicts
	$(BIN)/ab-pipeline --demo report
	$(BIN)/ab-pipeline --demo late-rows
	$(BIN)/ab-pipeline --demo changes
	@echo "Next: make dev DEMO=1, open http://127.0.0.1:3000 and watch that day being refreshed."

dev: install ## Dagster's UI and daemon on http://127.0.0.1:3000; PORT=, DEMO=1 for the demo
	$(BIN)/ab-pipeline $(if $(DEMO),--demo) dev --port $(PORT)

browser: $(AXE) ## what the tests of the page need: Chromium and axe-core
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }

$(AXE):
	command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq npm >/dev/null; }
	npm install --silent --no-save --prefix .browser axe-core@4.11.0

# what took how long is in .pytest/TIER.xml, and the longest are printed
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=30

quick: .venv/developed ## the tests that need no server and no build, for every save
	$(PYTEST) -m "not slow and not thorough" --junitxml=.pytest/quick.xml

coverage: .venv/developed ## what the quick tests run through, with a floor
	$(PYTEST) -m "not slow and not thorough" --cov --cov-report=term:skip-covered

test: .venv/developed browser ## every promise; LOAD=6 has six processes compute beside it
	$(BUSY) $(PYTEST) -m "not thorough" --junitxml=.pytest/test.xml

test-all: .venv/developed browser ## the same for longer, on both targets, under load
	HYPOTHESIS_PROFILE=thorough $(PYTEST) --junitxml=.pytest/test-all.xml
	$(MAKE) test LOAD=6

seeded-faults: .venv/developed ## known faults, each put into a copy of the code: does its test find it?
	$(BIN)/python -m ab_pipeline_tests.seeded_faults

mutants: .venv/developed ## changes drawn over the code (SEED=1 NUMBER=20): which does no test notice?
	$(BIN)/python -m ab_pipeline_tests.seeded_faults.mutants --seed $(or $(SEED),1) --number $(or $(NUMBER),20)

lint: .venv/developed ## ruff, pyright, sqlfluff, and what Redshift would refuse
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	cd dbt_project && AB_PIPELINE_DUCKDB_PATH=:memory: ../$(BIN)/sqlfluff lint --disable-progress-bar models tests
	$(BIN)/python -m ab_pipeline_tests.redshift.lint

bench: .venv/developed ## every benchmark, as ratios (takes about half an hour)
	$(BIN)/python -m benchmarks

soak: .venv/developed ## five minutes of changes and kill -9 against a running `dagster dev`
	$(BIN)/python -m benchmarks.soak

LOCK := .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-strip-extras --quiet

lock: install ## the lock files, afresh from pyproject.toml
	$(LOCK) pyproject.toml --group build -o requirements.lock
	$(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	echo "uv==$$($(BIN)/uv self version --short | cut -d' ' -f1)" | $(LOCK) - -o requirements-uv.lock

clean: ## everything made here but .venv and .env
	rm -rf .dagster .browser data dbt_project/target dbt_project/logs
