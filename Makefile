# setup   install everything a user needs into .venv
# demo    the main job, shown: push a real image, have it scanned, read the findings
# serve   a registry to work with, on the demo's data if there is some
# test    the tests, with all they need
# check   linters, types, import floors, documentation
# bench IMAGES=DIR      the benchmarks, on a folder of OCI layouts; ADVISORIES=DIR to match with more data;
#                       ONLY="generation rematching api registry" for some of them, which need no images
# accuracy SHARED=DIR   findings on real images and real advisories
# lock    pin the dependencies again
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
UV := $(BIN)/uv
CLEAN_UV := env -u UV_INDEX -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS $(UV) --no-config
TESTS ?= tests
JOBS ?= 2

.PHONY: setup setup-dev demo serve test check bench accuracy lock
setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hullwise needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock

define install
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@
endef

$(VENV)/.run: requirements.lock pyproject.toml | $(UV)
	@echo "Installing Hullwise"
	$(call install,requirements.lock)

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(UV)
	@echo "Installing Hullwise and its test tools"
	$(call install,requirements-dev.lock)
	@touch $(VENV)/.run

$(VENV)/.bench: requirements-bench.lock | $(VENV)/.dev
	$(call install,requirements-bench.lock)

demo: $(VENV)/.run
	@$(BIN)/python scripts/demo.py

serve: $(VENV)/.run
	@$(BIN)/hullwise serve $(if $(wildcard .demo/data),--data .demo/data)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(TESTS)

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/house

bench: $(VENV)/.bench
	@test -n "$(IMAGES)$(ONLY)" || { echo "usage: make bench IMAGES=DIR [ADVISORIES=DIR] [ONLY=...]"; exit 2; }
	@$(BIN)/python -m benchmarks $(if $(IMAGES),--images "$(IMAGES)") $(if $(ADVISORIES),--advisories "$(ADVISORIES)") \
		$(if $(ONLY),--only $(ONLY))

accuracy: $(VENV)/.dev
	@test -n "$(SHARED)" || { echo "usage: make accuracy SHARED=DIR"; exit 2; }
	@HULLWISE_SHARED="$(abspath $(SHARED))" $(BIN)/python -m pytest -m accuracy tests/accuracy

COMPILE = $(CLEAN_UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --no-annotate --python-version 3.11
lock: $(UV)
	$(COMPILE) pyproject.toml --group demo -o requirements.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) pyproject.toml --group bench -c requirements-dev.lock -o requirements-bench.lock
	echo 'uv==$(UV_VERSION)' | $(COMPILE) - -o requirements-uv.lock
