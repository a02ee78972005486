# Everything from nothing: only Python 3.11 or later and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# What pip does on one core, half a minute to two, on all of them; a few files of others are no Python 3. The tests of
# others and Transformers' hundreds of models, of which few are used, are left for Python to compile when it needs them.
COMPILE := $(BIN)/python -m compileall -q -j 0 -x '/tests/|/transformers/models/' $(VENV)/lib src >/dev/null 2>&1 || true
# A worker a core, and a fixture of a file made once: a file's tests stay together until a worker is idle.
PARALLEL := -n auto --maxprocesses 8 --dist worksteal

.PHONY: demo test test-avx2 test-slow check docs clean

demo: $(VENV)/.installed  ## Run the main job offline, on the bundled encoder and embedded text.
	$(BIN)/textgraft demo

test: $(VENV)/.installed-dev  ## Run the tests that finish in minutes.
	$(BIN)/python -m pytest $(PARALLEL)

# What computes in the processor's own ways; AVX2 is what most laptops have.
BY_PROCESSOR := tests/models/recurrent tests/inference/engines tests/inference/test_encode.py \
	tests/training/test_precision.py tests/training/test_loop.py tests/training/test_frozen.py

test-avx2: $(VENV)/.installed-dev  ## Run the tests of precision, engines and training as without AVX-512.
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest $(PARALLEL) $(BY_PROCESSOR)

test-slow: $(VENV)/.installed-dev  ## Run the long tests on real data.
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.installed-dev  ## Lint, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev  ## Make the pages of the reference that follow from the code.
	$(BIN)/python tools/commands.py > docs/commands.md
	$(BIN)/python tools/settings.py > docs/settings.md
	$(BIN)/python tools/python_names.py > docs/python.md

# The pip that comes with a Python of a few years takes twice as long to find out what fits. torch first and pinned: an
# open range would fetch whatever is newest, with gigabytes of CUDA.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[bundled,openvino,serve]'
	$(COMPILE)
	touch $@

# Of what the tests need besides, most is never imported: Python compiles it when it is.
$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable '.[bundled,openvino,serve,dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
