# Every target sets up what it needs on a machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check dev bench setup clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile --no-deps --no-build-isolation --editable .
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q -j 0 $(VENV)/lib spectra_assets >/dev/null || true
	@touch $@

demo: $(READY) ## a pipeline for the stand-in Zephyr, from nothing
	@$(BIN)/solution-engine demo

dev: $(READY) ## the Dagster UI with this pipeline
	@$(BIN)/solution-engine dev

test: $(READY) ## the test suite
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(READY) ## format, lint, types, layers, then the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

bench: $(READY) ## the benchmarks, with their figures
	@$(BIN)/python -m benchmarks

clean: ## the virtual environment; what pipelines made (lakehouse, .dagster) stays: `rm -r` it yourself if nothing of it is needed
	rm -rf $(VENV)
