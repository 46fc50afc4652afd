# `make help` lists the targets. Everything is installed into .venv; nothing else on the machine is changed.
PORT ?= 8000
HOST ?= 127.0.0.1
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help install run test test-fast lint bench bench-peers race crash chaos soak proofs mutants contract docs clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/' | expand -t 12

install: .venv/.runtime ## make .venv and install what changed

run: .venv/.runtime ## start Maestro on http://127.0.0.1:8000 (PORT=8123, HOST=..., MAESTRO_DATA_DIR=...)
	@exec $(PYTHON) manage.py up --host $(HOST) --port $(PORT)

test: .venv/.development ## run every test, on SQLite and Postgres and in the browser, with coverage
	@sh tools/test.sh

test-fast: .venv/.development ## run the unit tests alone: no browser, no second database, no coverage
	@sh tools/test.sh fast

lint: .venv/.development ## ruff, mypy, import-linter, djade, and the checks of this repository
	@sh tools/lint.sh

bench: .venv/.development ## print the benchmark table
	@$(PYTHON) -m tests.benchmarks

bench-peers: .venv/.development .venv-peers/.installed ## measure Maestro beside other libraries, against one mock upstream
	@$(PYTHON) -m tests.peers .venv-peers/bin/python $(PEERS)

race: .venv/.development ## let processes race for refreshes (RACE="--processes 4 --expiries 200 --database sqlite")
	@$(PYTHON) -m tests.proofs race $(RACE)

crash: .venv/.development ## kill a process at every step of a refresh, answer it wrongly in every way (CRASH="--runs 60", OUTCOMES="--seed 2 --only 7")
	@$(PYTHON) -m tests.proofs crash $(CRASH)
	@$(PYTHON) -m tests.proofs outcomes $(OUTCOMES)

chaos: .venv/.development ## play every fault of a provider on every surface (CHAOS="--cells 529")
	@$(PYTHON) -m tests.proofs chaos $(CHAOS)
	@$(PYTHON) -m tests.proofs routes

soak: .venv/.development ## load a server for half an hour; nothing that it holds may grow (SOAK="--minutes 5")
	@$(PYTHON) -m tests.proofs soak $(SOAK)

proofs: .venv/.development ## run the heavy proofs at full size and write their tables under docs/
	@PROOF_SIZE=full $(PYTHON) -m tests.benchmarks --write docs/benchmarks.md
	@$(PYTHON) -m tests.proofs refresh --write docs/proofs-refresh.md
	@$(PYTHON) -m tests.proofs round-trip --write docs/proofs-round-trip.md
	@$(PYTHON) -m tests.proofs sent-list --write docs/proofs-sent-list.md
	@$(PYTHON) -m tests.proofs scripts --write docs/proofs-scripts.md
	@$(PYTHON) -m tests.proofs continuation --write docs/proofs-continuation.md
	@$(PYTHON) -m tests.proofs reliability --write docs/reliability.md
	@$(PYTHON) -m tests.proofs chaos --write docs/reliability.md
	@$(PYTHON) -m tests.proofs routes --write docs/reliability.md
	@$(PYTHON) -m tests.proofs soak --write docs/reliability.md
	@$(MAKE) --no-print-directory contract

mutants: .venv/.development ## list changes of the code that no test notices (MUTANTS="--package context_app.streams --size 20 --seed 1")
	@$(PYTHON) -m tests.mutants $(MUTANTS)

contract: .venv/.development .venv-contract/.installed ## judge request bodies by the official SDKs' types, in an environment apart
	@$(PYTHON) -m tests.contract.corpus .venv-contract/corpus.json
	@.venv-contract/bin/python tests/contract/validate.py .venv-contract/corpus.json --write docs/contract.md

.venv-contract/.installed: tests/contract/constraints.txt
	@echo "Installing the official SDKs into .venv-contract ..."
	@.venv/bin/python -m venv .venv-contract
	@.venv-contract/bin/pip install -qq --disable-pip-version-check -c $< openai anthropic google-genai mistralai pydantic
	@touch $@

.venv-peers/.installed: tests/peers/constraints.txt
	@echo "Installing the peers into .venv-peers ..."
	@.venv/bin/python -m venv .venv-peers
	@.venv-peers/bin/pip install -qq --disable-pip-version-check -c $< openai litellm 'any-llm-sdk[openai]'
	@touch $@

docs: .venv/.documentation ## build the documentation site into site/
	@.venv/bin/mkdocs build --strict --quiet && echo "open site/index.html"

clean: ## remove the environment and everything generated (never var/)
	@rm -rf .venv .venv-contract .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage* site build *.egg-info

.venv/bin/python:
	@sh tools/venv.sh

.venv/.runtime: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Maestro into .venv ..."
	@$(PYTHON) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[postgres]'
	@touch $@

.venv/.development: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Maestro and its test tools into .venv ..."
	@$(PYTHON) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[postgres,dev]'
	@touch .venv/.runtime $@

.venv/.documentation: pyproject.toml constraints.txt | .venv/bin/python
	@$(PYTHON) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[postgres,docs]'
	@touch $@
