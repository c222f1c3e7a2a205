# The front desk. `make` alone lists what can be asked for; each target installs what it needs.
#
#   PYTHON=...    the interpreter to make environments with (3.11 to 3.14; found by itself otherwise)
#   ARGS=...      more arguments for pytest, the demo or the benchmarks

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export PYTHON

PY := .venv/bin/python
ARGS ?=
REPORTS := build/reports
# What mypy reads; a room that is not there yet is not checked.
TYPED := $(wildcard statehouse integrations/*/statehouse_* tests examples benchmarks tools)
PROJECTS := pyproject.toml $(wildcard integrations/*/pyproject.toml)

# What of LangGraph's tests runs on the oldest LangGraph.
OLDEST := $(addprefix tests/langgraph/,cache conformance saver server store)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: requirements/dev.lock $(PROJECTS) tools/venv.sh
	@tools/venv.sh .venv requirements/dev.lock editable

.venv-dist/.installed: requirements/dist.lock tools/venv.sh
	@tools/venv.sh .venv-dist requirements/dist.lock

.venv-generate/.installed: requirements/generate.lock tools/venv.sh
	@tools/venv.sh .venv-generate requirements/generate.lock

.venv-oldest/.installed: requirements/oldest.lock $(PROJECTS) tools/venv.sh
	@tools/venv.sh .venv-oldest requirements/oldest.lock editable

.venv-upstream/.installed: requirements/upstream.lock $(PROJECTS) tools/venv.sh
	@tools/venv.sh .venv-upstream requirements/upstream.lock editable

.venv-phoenix/.installed: requirements/phoenix.lock tools/venv.sh
	@tools/venv.sh .venv-phoenix requirements/phoenix.lock

.venv-dbos/.installed: requirements/dbos.lock tools/venv.sh
	@tools/venv.sh .venv-dbos requirements/dbos.lock

.venv-lock/.installed: requirements/lock.lock tools/venv.sh
	@tools/venv.sh .venv-lock requirements/lock.lock

.PHONY: venv
venv: .venv/.installed ## Make .venv with everything below in it

.PHONY: demo
demo: .venv/.installed ## Agents: asked, killed half-way, resumed, replayed; two at a daemon; one of LangGraph; one that went wrong
	@$(PY) examples/research_agent/demo.py $(ARGS)

.PHONY: test
test: .venv/.installed ## The fast tests
	@mkdir -p $(REPORTS)
	$(PY) -m pytest -m "not slow" --junit-xml=$(REPORTS)/fast.xml $(ARGS)

.PHONY: test-slow
test-slow: .venv/.installed .venv-upstream/.installed .venv-phoenix/.installed ## The tests that take seconds each: crashes, kills, long histories
	@mkdir -p $(REPORTS)
	$(PY) -m pytest -m slow --junit-xml=$(REPORTS)/slow.xml $(ARGS)

.PHONY: test-oldest
test-oldest: .venv-oldest/.installed ## What travels and what LangGraph calls, on the oldest versions that we admit
	@# Its gRPC gives no event loop a connection of its own (rpc/calling/lane.py).
	.venv-oldest/bin/python -m pytest -m "not slow" -p no:cacheprovider --ignore-glob='*/test_*lane*.py' tests/rpc tests/daemon tests/tracing tests/otel tests/cli/test_processes.py $(OLDEST) $(ARGS)

.PHONY: test-all
test-all: test test-slow ## Every test

.PHONY: coverage
coverage: .venv/.installed ## The fast tests, with coverage by branch
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -m "not slow" $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

.PHONY: check
check: .venv/.installed .venv-generate/.installed ## Format, lint, types, floors, locks, claims, generated code
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy $(TYPED)
	.venv/bin/lint-imports --no-cache
	$(PY) tools/house.py
	$(PY) tools/lock.py --check
	$(PY) tools/unasync.py --check
	$(PY) tools/stubs.py .venv-generate/bin/python --check
	$(PY) tools/claims.py

.PHONY: claims
claims: .venv/.installed ## Each promise has tests, and they passed in the last `make test` and `make test-slow`
	$(PY) tools/claims.py --reports $(REPORTS)

.PHONY: format
format: .venv/.installed ## Format, and mend what can be mended
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: bench
bench: .venv/.installed .venv-dbos/.installed ## The benchmarks; fails below a floor
	@$(PY) -m benchmarks $(ARGS)

.PHONY: docs
docs: .venv/.installed ## The documentation, into site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

.PHONY: generate
generate: .venv/.installed .venv-generate/.installed ## Write generated code again: blocking twins, wire stubs
	$(PY) tools/unasync.py
	$(PY) tools/stubs.py .venv-generate/bin/python

.PHONY: dist
dist: .venv-dist/.installed ## sdist and wheel into dist/, checked, installed and imported
	@tools/dist.sh

.PHONY: lock
lock: .venv-lock/.installed ## Lock requirements again (UPGRADE=1: the newest versions)
	.venv-lock/bin/python tools/lock.py --uv .venv-lock/bin/uv $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove environments, builds and caches
	rm -rf .venv .venv-dbos .venv-dist .venv-generate .venv-lock .venv-oldest .venv-phoenix .venv-upstream build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
