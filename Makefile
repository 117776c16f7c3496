# ViT Lab's commands: `make` lists them. Needs Python 3.11 or newer and make; the rest is installed in .venv.

PYTHON  ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
             $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV    ?= .venv
SANDBOX ?= bubblewrap
BROWSER ?= chromium
JOBS    ?= 2
PORT    ?= 8888
ARGS    ?=

# On Linux without an NVIDIA driver the CPU build is taken from PyTorch's own index, where that can be reached: the
# build on PyPI brings gigabytes of CUDA. Another build: make TORCH='torch torchvision --index-url …'; the one
# that VENV (for instance your conda environment) already has: make VENV=$CONDA_PREFIX TORCH=
CPU_INDEX := https://download.pytorch.org/whl/cpu
TORCH     ?= $(shell grep -E '^torch(vision)?==' constraints.txt)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
INSTALL := .ci/pip-install $(BIN)/python
SAY := @echo '·'

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lab build lint check pytest bubblewrap chromium constraints docs wheel clean

help:  ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-13s %s\n", $$1, $$2}'
	@echo 'With PYTHON=python3.12, VENV=dir, PORT=8889, ARGS="…", SANDBOX=none (student code unprotected), BROWSER=none (no browser tests), TORCH="…" (see Makefile).'

demo: $(VENV)/.instructor bubblewrap  ## make a class of many kinds of students, grade it, write the report
	$(SAY) 'grading a class of made-up students'
	@$(BIN)/vitlab demo --out demo_out --sandbox $(SANDBOX) $(ARGS)

test: $(VENV)/.dev bubblewrap chromium lint check pytest  ## everything CI runs

lab: $(VENV)/.instructor  ## JupyterLab on the student notebooks, with validate and formgrader
	@JUPYTER_CONFIG_PATH='$(CURDIR)/helpers/jupyter' $(BIN)/jupyter lab --ServerApp.port=$(PORT) \
	  --LabApp.default_url=/lab/tree/notebooks/start_here.ipynb \
	  $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(ARGS)

build: $(VENV)/.instructor  ## build all notebooks anew and run the solutions
	@$(BIN)/vitlab build --execute $(ARGS)

lint: $(VENV)/.dev  ## style, types, spelling
	$(SAY) 'ruff, mypy, codespell'
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'run: $(BIN)/ruff format'; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/codespell

check: $(VENV)/.dev
	$(SAY) 'committed notebooks against their sources'
	@ls solutions | grep '^[0-9]' | OMP_NUM_THREADS=1 xargs -n 2 -P $(JOBS) $(BIN)/vitlab build --check

# One thread per test process: more only get in each other's way on a small machine.
pytest: $(VENV)/.dev
	$(SAY) 'pytest'
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup \
	  $(if $(filter none,$(BROWSER)),-m 'not browser') $(ARGS)

docs: $(VENV)/.dev  ## the documentation as a site, in build/docs
	$(SAY) 'the documentation'
	@OMP_NUM_THREADS=1 $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs
	@echo build/docs/index.html

wheel: $(BIN)/python  ## the package with its lessons, in dist
	$(SAY) 'a wheel'
	@rm -rf build/lib build/bdist.*
	@$(PIP) wheel --no-deps --wheel-dir dist .
	@ls -l dist/*.whl | awk '{printf "%s, %.1f MB\n", $$NF, $$5 / 1e6}'

bubblewrap:  ## the sandbox in which student code is graded (Linux)
	@[ '$(SANDBOX)' = none ] || sh .ci/install-bubblewrap

chromium:  ## the browser in which JupyterLab is tested
	@[ '$(BROWSER)' = none ] || sh .ci/install-chromium

constraints: $(VENV)/.dev  ## newest versions into VENV and constraints.txt; then make test
	$(SAY) 'upgrading $(VENV)'
	@grep -E '^torch(vision)?==' constraints.txt > $(VENV)/torch.txt
	@$(PIP) install --upgrade --upgrade-strategy eager -c $(VENV)/torch.txt -e '.[dev]'
	@{ sed '/^$$/q' constraints.txt; $(PIP) freeze --all --exclude-editable \
	  | grep -viE '^(pip|wheel|nvidia.*|triton|cuda.*) ?(==|@)|^-e|^#' | sed -E 's/\+[a-z0-9.]+$$//'; } > $(VENV)/constraints.new
	@mv $(VENV)/constraints.new constraints.txt
	@touch $(VENV)/.torch $(VENV)/.instructor $(VENV)/.dev

clean:  ## remove what was made, but not .venv and not course_data
	rm -rf build dist *.egg-info demo_out vitlab-students.zip .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find helpers grading solutions tests notebooks -name __pycache__ -prune -exec rm -rf {} +

# The environment. Each stamp stands for an extra of pyproject.toml, installed with the versions of constraints.txt.
$(BIN)/python:
	@[ -n '$(PYTHON)' ] || { echo 'Python 3.11 or newer is needed and was not found; say where: make PYTHON=…'; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo '$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: sudo apt install python3-venv'; exit 1; }
	$(SAY) 'a virtual environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt | $(BIN)/python
	@grep -vE '^torch(vision)?==' constraints.txt > $(VENV)/constraints.txt
	$(SAY) '$(if $(strip $(TORCH)),$(TORCH),the torch that is there)'
ifeq ($(origin TORCH),file)
	@if [ -z "$$CI" ] && [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && $(BIN)/python -c \
	  'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=5)' 2>/dev/null; \
	then index='--extra-index-url $(CPU_INDEX)'; fi; \
	$(INSTALL) $$index -c $(VENV)/constraints.txt $(TORCH)
else
	@[ -z '$(strip $(TORCH))' ] || $(INSTALL) -c $(VENV)/constraints.txt $(TORCH)
endif
	@touch $@

$(VENV)/.instructor $(VENV)/.dev: $(VENV)/.%: pyproject.toml $(VENV)/.torch
	$(SAY) 'the packages for "$*"'
	@$(INSTALL) -c $(VENV)/constraints.txt -e '.[$*]'
	@touch $@
