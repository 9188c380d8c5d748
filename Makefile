# Two commands do everything on a fresh machine: `make app` and `make test`. CONTRIBUTING.md explains the others.
# Streamlit's own environment variables (STREAMLIT_SERVER_PORT, STREAMLIT_SERVER_HEADLESS, …) decide how the app is served.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
export HF_HUB_DISABLE_PROGRESS_BARS := 1
# Bytecode is kept whatever the environment says: jobs and tests are processes, and each would compile the engine anew.
export PYTHONDONTWRITEBYTECODE :=
# Two workers share two cores: threads of their own would only wait for each other. Files begin in the order of their names,
# so that the long browser tests are not left for the end.
PYTEST := OMP_NUM_THREADS=1 GENAIR_TEST_INSTALL=1 $(BIN)/python -m pytest

.PHONY: app test setup fmt lint type docs smoke bench clean

app: .venv/app-ready
	$(BIN)/streamlit run app/Home.py

test: .venv/tests-ready
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

setup: .venv/tests-ready

fmt: .venv/tests-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: .venv/tests-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m tests.house.circles
	$(BIN)/python -m tests.house.names

type: .venv/tests-ready
	$(BIN)/mypy

docs: .venv/tests-ready
	$(BIN)/python -m docs.generate

smoke: .venv/tests-ready
	$(PYTEST) tests/pages tests/browser

bench: .venv/tests-ready
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis

# A stamp is written when its installation is complete: an interrupted one starts again, a complete one costs nothing.
# torch comes first: with it in place, no other package's requirement can bring in a CUDA build of several gigabytes.
# pip would compile one file after the other: `compileall` takes all cores. What it cannot compile are templates.

.venv/app-ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "GenAIR Studio needs Python 3.11 or newer: set PYTHON")'
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' requirements.txt)"
	$(PIP) -r requirements.txt
	$(BIN)/python -m compileall -qq -j 0 -x '/tests/' .venv/lib || true
	@touch $@

.venv/tests-ready: .venv/app-ready requirements-dev.txt requirements-s3.txt requirements-ray.txt
	$(PIP) -r requirements-dev.txt
	@touch $@
