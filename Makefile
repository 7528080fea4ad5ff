# The project's commands. `make lab` and `make test` are the two a newcomer needs; `make help` lists the rest.
# Strategy: one .venv with pinned packages (requirements/lock.txt) and the release extension in it; stamp files stand for
# "installed" and "built", so a second run starts at once. A build's stamp has the time at which the build began, so files
# that were edited during the build are built again. Nothing runs in parallel but what scripts/beside runs: two processes of
# pytest, one a core.
# No target changes anything outside this folder, except `make deploy`, `make others` and `make test`, which as root install Debian
# packages that they need: `make test` only curl and jq.
# Cost: the first run downloads about 250 MB of packages and builds the Rust crate once (a minute on two cores).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
LAB40 := .venv-lab40
RELEASE := .venv-release
DEPLOY := .venv-deploy
OTHERS := .venv-others
BIN := $(VENV)/bin
TOOLS := .cache/tools
RUST_SOURCES := $(shell find rust -name '*.rs' 2>/dev/null)
PYTHON_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi' 2>/dev/null)
DATA := $(shell find jupyter-config/data/etc -type f)
# The extension of the browser: its sources, and the built one, which the wheel and the sdist contain
LABEXTENSION := $(shell find labextension -name node_modules -prune -o -type f -print)
BUNDLE := jupyter-config/data/share/jupyter/labextensions/kernelws
NODE := $(BIN)/node
NPM_CI = cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel error
# What ruff and mypy look at
CHECKED := python tests tools scripts

ACCIDENTS_ARGS ?=
RELOAD_ARGS ?=
LAB_ARGS ?=
# Where JupyterLab keeps notebooks; `make clean` leaves it alone
LAB_DIR ?= $(CURDIR)/.cache/lab
BENCH_ARGS ?=
BROWSER_ARGS ?=
CHAOS_ARGS ?=
PYTEST_ARGS ?=
PATHS ?=
CONTRACT_ARGS ?=
DEPLOY_ARGS ?=
OTHERS_ARGS ?=
MATRIX_ARGS ?=
FUZZ_SECONDS ?= 60
FUZZ_ARGS ?=
FUZZ_JOBS ?= 1
FUZZ_RUST_ARGS ?= --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS)
SEED ?= 0
SEEDS ?= 1000
MUTANTS_ARGS ?=
CARGO_MUTANTS_VERSION := 27.1.0
# One wheel for every Linux of this machine's processor: zig links against the glibc of manylinux2014
WHEEL_LINUX := $(if $(filter Linux,$(shell uname -s)),--zig --compatibility manylinux2014)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
# Without this pip warns when it is run as root, which is normal in a container
export PIP_ROOT_USER_ACTION := ignore
# pyo3 and maturin must look at this environment and no other
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport PYTHONPATH CONDA_PREFIX

.PHONY: help
help:  ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# ---- environments -----------------------------------------------------------------------------------------------

$(VENV)/installed: requirements/lock.txt | need-python
	@echo "== $(VENV): packages of requirements/lock.txt (250 MB the first time: about two minutes without output)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --requirement requirements/lock.txt
	touch $@

# Two packages build the extension; all others, which have types and check them, are installed by what needs them
labextension/node_modules/build: labextension/package-lock.json | $(VENV)/installed
	@echo "== labextension/node_modules: esbuild"
	$(NPM_CI) --omit=dev
	touch $@

labextension/node_modules/lint: labextension/package-lock.json | $(VENV)/installed
	@echo "== labextension/node_modules: all packages (about a minute without output)"
	$(NPM_CI)
	touch labextension/node_modules/build $@

$(BUNDLE)/package.json: labextension/node_modules/build $(LABEXTENSION)
	$(NODE) labextension/build.js $(BUNDLE)

$(VENV)/built: $(VENV)/installed $(BUNDLE)/package.json $(RUST_SOURCES) $(DATA) Cargo.toml Cargo.lock pyproject.toml | need-build
	@echo "== release build of kernelws._core into $(VENV) (about a minute the first time)"
	touch $(VENV)/building
	$(BIN)/maturin develop --release --locked
	mv $(VENV)/building $@

# The other environments, each with the packages of its own file in requirements/
$(OLDEST)/installed $(RELEASE)/installed $(DEPLOY)/installed $(LAB40)/installed $(OTHERS)/installed: .venv-%/installed: requirements/%.txt | need-python
	@echo "== $(@D): packages of $< (about a minute without output)"
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --requirement $<
	touch $@

# Those of them in which kernelws is installed from its wheel, as users do
$(OLDEST)/built $(DEPLOY)/built $(LAB40)/built $(OTHERS)/built: %/built: %/installed dist/built
	$*/bin/python -m pip install --force-reinstall --no-deps dist/kernelws-*.whl
	$*/bin/python -m pip check
	touch $@

# The wheel is built from the unpacked sdist, so that it has no file of the checkout that the sdist lacks. Everything is
# compiled again: files in an sdist are dated 2006, so cargo would consider its earlier results newer. maturin finds zig on PATH.
dist/built: export VIRTUAL_ENV := $(CURDIR)/$(RELEASE)
dist/built: export PYO3_PYTHON := $(CURDIR)/$(RELEASE)/bin/python
dist/built: export PATH := $(CURDIR)/$(RELEASE)/bin:$(PATH)
dist/built: $(RELEASE)/installed $(BUNDLE)/package.json $(RUST_SOURCES) $(PYTHON_SOURCES) $(DATA) Cargo.toml Cargo.lock pyproject.toml README.md LICENSE CHANGELOG.md | need-python need-build
	@echo "== wheel and sdist, compiled again (about a minute without output)"
	rm -rf dist && mkdir dist && touch dist/building
	$(RELEASE)/bin/maturin build --release --locked --quiet --sdist $(WHEEL_LINUX) --out dist
	mv dist/building $@

.PHONY: need-python need-build need-cxx need-lint need-test need-deploy need-browser need-others
need-python:
	@PYTHON=$(PYTHON) scripts/need python
need-build:
	@scripts/need rust linker
# libFuzzer is C++
need-cxx:
	@command -v c++ >/dev/null || scripts/install_packages g++
need-lint:
	@scripts/need rust linker clippy rustfmt
# The tests run the examples of docs/executions.md
need-test:
	@{ command -v curl && command -v jq; } >/dev/null || scripts/install_packages curl jq
need-deploy:
	@scripts/need node
	@scripts/install_packages nginx iproute2 openssh-server openssh-client openssl
need-browser:
	@scripts/need chromium
need-others:
	@scripts/install_packages r-cran-irkernel

.PHONY: venv venvs build wheel
venv: $(VENV)/installed  ## .venv with the pinned packages
venvs: $(RELEASE)/installed $(OLDEST)/installed $(DEPLOY)/installed  ## the other environments of `.ci/run`, still without kernelws
build: $(VENV)/built  ## the release extension in .venv
wheel: dist/built  ## a wheel (abi3, manylinux2014) and an sdist in dist/
	@ls dist/*.whl dist/*.tar.gz

# ---- running ----------------------------------------------------------------------------------------------------

.PHONY: lab bench
# Removes this Makefile's variables, which kernels would inherit: they would change a user's `%pip install` and `!make`
lab: build  ## JupyterLab with kernelws and a Python kernel (LAB_ARGS=..., LAB_DIR=folder of the notebooks)
	@mkdir -p "$(LAB_DIR)"
	@echo "== JupyterLab; notebooks are in $(LAB_DIR); its address follows, Ctrl-C stops it"
	exec env -u PIP_QUIET -u PIP_DISABLE_PIP_VERSION_CHECK -u PYO3_PYTHON -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	  $(BIN)/jupyter lab --no-browser "--ServerApp.root_dir=$(LAB_DIR)" $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

bench: build  ## stock and kernelws side by side in one table (BENCH_ARGS=...)
	$(BIN)/python -m tools.bench $(BENCH_ARGS)

# ---- proof ------------------------------------------------------------------------------------------------------

.PHONY: test test-rust test-labextension test-python contract contract-oldest
.PHONY: check-wheel check-sdist check-offline matrix
.PHONY: deploy others browser accidents reload chaos fuzz fuzz-rust simulate simulate-faults asan valgrind mutants mutants-rust coverage
test: test-rust test-labextension $(OLDEST)/built | need-test  ## Rust, Python, the extension, and upstream's tests
	@echo "== pytest; its tests of the contract, and upstream's own, run beside it and are printed when they have ended"
	scripts/beside '$(MAKE) --no-print-directory test-python PATHS=--ignore=tests/contract' \
	  '$(MAKE) --no-print-directory test-python contract contract-oldest PATHS=tests/contract'

test-rust: | need-build  ## the Rust core, without Python
	@echo "== cargo test"
	cargo test --locked --quiet

test-labextension: build  ## the pure parts of the extension of the browser
	@echo "== node --test"
	cd labextension && $(CURDIR)/$(NODE) --test --test-reporter=dot 'tests/*.test.ts'

test-python: build | need-test  ## unit, parity, contract and bridge tests (PYTEST_ARGS=...)
	@echo "== pytest"
	$(BIN)/python -m pytest $(PATHS) $(PYTEST_ARGS)

contract: build  ## jupyter_server's own tests, unchanged, against our class
	@echo "== upstream's tests, newest supported jupyter_server"
	$(BIN)/python scripts/upstream_contract.py $(CONTRACT_ARGS)

contract-oldest: $(OLDEST)/built  ## the same on the oldest supported jupyter_server
	@echo "== upstream's tests, oldest supported jupyter_server"
	$(OLDEST)/bin/python scripts/upstream_contract.py $(CONTRACT_ARGS)

check-wheel: dist/built build  ## the wheel in an empty environment: enabled, used, used by JupyterLab, uninstalled
	@echo "== wheel in an empty environment"
	$(BIN)/python -m scripts.check_wheel --auditwheel $(RELEASE)/bin/auditwheel dist/kernelws-*.whl

check-sdist: dist/built build  ## the sdist built in an empty environment: a kernel answers
	@echo "== sdist in an empty environment"
	$(BIN)/python -m scripts.check_sdist dist/kernelws-*.tar.gz

check-offline: dist/built  ## the sdist built without a network, from crates that were fetched before
	@echo "== sdist without a network"
	scripts/check_offline dist/kernelws-*.tar.gz $(RELEASE)

matrix: dist/built venv $(TOOLS)/uv/bin/uv  ## tests with other Pythons, oldest and newest dependencies (MATRIX_ARGS="--end oldest python3.12 python3.13")
	$(BIN)/python -m scripts.matrix $(MATRIX_ARGS)

others: $(OTHERS)/built | need-others  ## kernelws beside Voila, collaboration, Panel, other kernels and more (OTHERS_ARGS=...)
	@echo "== products beside kernelws"
	KERNELWS_OTHERS=1 $(OTHERS)/bin/python -m pytest tests/others $(OTHERS_ARGS)

deploy: $(DEPLOY)/built | need-deploy  ## where Jupyter runs: lab, notebook, hub, gateway, other hosts, nginx (DEPLOY_ARGS=...)
	@echo "== deployments"
	KERNELWS_DEPLOY=1 $(DEPLOY)/bin/python -m pytest tests/deploy $(DEPLOY_ARGS)

browser: build | need-browser  ## JupyterLab in Debian's chromium: tests, then a table (BROWSER_ARGS=--quick)
	$(BIN)/python -m tests.browser $(BROWSER_ARGS)

accidents: build | need-browser  ## stock and kernelws in JupyterLab and Notebook 7: what a user sees after each accident (ACCIDENTS_ARGS="--front lab --runs 1")
	$(BIN)/python -m tests.accidents $(ACCIDENTS_ARGS)

reload: build $(LAB40)/built $(OTHERS)/built | need-browser  ## reloads while cells run, in the oldest and newest JupyterLab and Notebook, stock and kernelws (RELOAD_ARGS="--front lab --seed 1")
	$(BIN)/python -m tests.reload $(RELOAD_ARGS)

chaos: build  ## faults between kernel and client: counts what arrives and what is lost (CHAOS_ARGS="--seed 1 --quick")
	$(BIN)/python -m tools.chaos $(CHAOS_ARGS)

fuzz: build  ## the fuzz tests with new seeds (FUZZ_SECONDS=60; FUZZ_ARGS="--seed 7" is one round)
	$(BIN)/python scripts/fuzz.py --seconds $(FUZZ_SECONDS) $(FUZZ_ARGS)

fuzz-rust: | need-build need-cxx  ## coverage-guided fuzzing of the core, each target for FUZZ_SECONDS (FUZZ_RUST_ARGS="--runs 1000000 wire")
	@echo "== libFuzzer"
	scripts/fuzz_rust $(FUZZ_RUST_ARGS)

simulate: build | need-build  ## the core, and the decisions in Python, against the guarantees (SEEDS=1000, SEED=0 is the first)
	@echo "== simulations from seed $(SEED) on"
	SEED=$(SEED) SEEDS=$(SEEDS) cargo test --locked --quiet --profile proof --lib all_guarantees_hold -- --nocapture
	SEED=$(SEED) SEEDS=$$(( ($(SEEDS) + 9) / 10 )) $(BIN)/python -m pytest -q tests/unit/test_simulation.py --timeout 0 --show-capture=no --durations=0 -k guarantees

asan: | need-build  ## the Rust tests and the fuzzers' corpus under AddressSanitizer
	@echo "== AddressSanitizer"
	scripts/asan

valgrind: build | need-build  ## the receiving code under valgrind: its tests, and a Python process with the real libzmq (minutes)
	@scripts/install_packages valgrind
	scripts/valgrind

simulate-faults: build | need-build  ## that the simulation finds mistakes that kernelws has made, when they are put back
	cargo test --locked --quiet --profile proof --lib simulation::tests
	$(BIN)/python -m tests.mutants --quick test_simulation

mutants: build mutants-rust  ## tests of the tests: broken versions of the core and of the class (hours)
	$(BIN)/python -m tests.mutants

mutants-rust: $(TOOLS)/bin/cargo-mutants  ## the core's only (MUTANTS_ARGS="--file 'rust/flow/*.rs'", "--shard 1/8")
	PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" scripts/rust_mutants $(MUTANTS_ARGS)

$(TOOLS)/bin/cargo-mutants: | need-build
	cargo install --quiet --locked --root $(TOOLS) --version $(CARGO_MUTANTS_VERSION) cargo-mutants

coverage: build  ## branch coverage of the Python package
	$(BIN)/python -m pytest --cov --cov-report term-missing:skip-covered $(PYTEST_ARGS)

# ---- documentation ------------------------------------------------------------------------------------------------

.PHONY: docs serve-docs
# Material for MkDocs prints at each start that it has a successor; this is not a warning about these pages
docs serve-docs: export NO_MKDOCS_2_WARNING := 1
docs: build  ## the site of docs/ in site/; a warning is an error
	@echo "== documentation"
	$(BIN)/python -m mkdocs build --strict --clean

serve-docs: build  ## the site at http://127.0.0.1:8000, built again as you write
	$(BIN)/python -m mkdocs serve

# ---- form -------------------------------------------------------------------------------------------------------

.PHONY: lint lint-rust lint-python lint-labextension types deny workflows fmt lock clean
lint: lint-rust lint-python lint-labextension types deny  ## all five; `make -k lint` goes on after a failure

lint-rust: build | need-lint  ## rustfmt, clippy pedantic
	cargo fmt --check
	cargo clippy --locked --quiet --all-targets --all-features -- -D warnings

lint-python: venv  ## ruff, and the package's layers
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	PYTHONPATH=python $(BIN)/lint-imports --no-cache

lint-labextension: labextension/node_modules/lint  ## the extension of the browser: strict TypeScript, eslint
	cd labextension && $(CURDIR)/$(NODE) node_modules/typescript/bin/tsc && $(CURDIR)/$(NODE) node_modules/eslint/bin/eslint.js

types: build  ## mypy strict, and the stub of kernelws._core against the module
	$(BIN)/python -m mypy $(CHECKED)
	MYPYPATH=python $(BIN)/python -m mypy.stubtest kernelws._core --mypy-config-file pyproject.toml --allowlist scripts/stubtest_allow.txt

deny: venv  ## licences, sources and duplicates of the Rust dependencies; advisories if their database is present
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/deny

workflows: venv  ## .github/workflows: zizmor, and actionlint with shellcheck where Go is installed
	$(BIN)/zizmor --offline --quiet --no-progress --persona regular .github
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/actionlint

fmt: venv | need-lint  ## format everything
	cargo fmt
	$(BIN)/ruff check --select I --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

$(TOOLS)/uv/bin/uv:
	$(PYTHON) -m venv $(TOOLS)/uv
	$(TOOLS)/uv/bin/python -m pip install uv

lock: $(TOOLS)/uv/bin/uv  ## new requirements/*.txt from pyproject.toml (what is pinned stays; UPGRADE=1 takes the newest)
	for group in all:lock:pyproject.toml oldest:oldest:pyproject.toml lab40:lab40:pyproject.toml release:release: deploy:deploy:pyproject.toml others:others:pyproject.toml; do \
	  IFS=: read -r name file project <<< "$$group"; \
	  UV_CUSTOM_COMPILE_COMMAND="make lock" $(TOOLS)/uv/bin/uv pip compile --quiet $$project --universal \
	    --python-version 3.11 --group $$name --no-emit-index-url --no-emit-find-links --no-annotate \
	    $$(test $$name != deploy -a $$name != others || echo --constraint requirements/lock.txt) \
	    $(if $(UPGRADE),--upgrade) --output-file requirements/$$file.txt; done
	@echo "Cargo.lock: cargo update"

clean:  ## remove what the targets made, except the notebooks of `make lab`
	rm -rf $(VENV) $(OLDEST) $(RELEASE) $(DEPLOY) $(OTHERS) $(LAB40) dist site target build $(BUNDLE) labextension/node_modules
	if [ -d .cache ]; then find .cache -mindepth 1 -maxdepth 1 ! -name lab -exec rm -rf {} +; fi
