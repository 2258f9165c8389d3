# Every target sets up .venv by itself. Python 3.11 to 3.13.
PYTHON ?= python3
BIN := .venv/bin
# make demo DATA=path/to/folder takes real material instead of the synthetic world
DATA ?=
HISTORIES ?= 100
SEED ?= 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: demo
demo: .venv/runtime ## pull calls and chats from the sandbox, embed them, search them
	$(BIN)/sophia demo $(if $(DATA),--data $(DATA))

.PHONY: dev
dev: .venv/runtime ## the same with the Dagster UI, until Ctrl-C
	$(BIN)/sophia dev

.PHONY: test
test: .venv/dev ## the tests, under 12 minutes on 2 cores
	$(BIN)/pytest -m "not long" -n 3 --dist loadfile

.PHONY: test-long
test-long: .venv/dev ## the tests that take minutes each, under 60 minutes
	$(BIN)/pytest -m long --timeout=1800 -n 2 --dist worksteal

.PHONY: soak
soak: .venv/dev ## HISTORIES=100 random histories of every vendor from SEED=1 on; goes on where it stopped
	$(BIN)/python -m tests.pipelines.convergence.soak --histories $(HISTORIES) --seed $(SEED)

.PHONY: check
check: .venv/dev ## ruff, mypy, import-linter, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff parse --dialect snowflake sql --format none

.PHONY: docs
docs: .venv/runtime ## write docs/tables.md from sql/, and the code blocks of docs/add-a-source.md
	$(BIN)/python docs/generate_tables.py
	$(BIN)/python docs/fill_add_a_source.py

.PHONY: pictures
pictures: .venv/docs ## take the pictures of docs/tour.md in a real browser, 10 minutes; needs chromium
	$(BIN)/python docs/pictures.py

.PHONY: bench
bench: .venv/dev ## every benchmark; the last line of each is one JSON object
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# The pins are exact and complete, so pip needs no resolver: --no-deps takes minutes off the install.
# The dev pins hold the runtime pins too; either stamp is older than its file when something must be installed.
.venv/runtime: requirements/runtime.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test .venv/dev -nt requirements/runtime.txt || $(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements/runtime.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev: requirements/dev.txt .venv/runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements/dev.txt
	touch $@

.venv/docs: requirements/docs.txt .venv/runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements/docs.txt
	touch $@
