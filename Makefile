# make scan   installs everything into .venv and runs the study at its default scale
# make test   the same set-up, then all checks and tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PLUGINS := $(wildcard plugins/*/pyproject.toml)

.PHONY: scan test install check pytest bench coverage docs clean
.PHONY: faults faults-kills faults-disk faults-tests faults-recipes

scan: install
	$(BIN)/ionflow run recipes/amx_scan.yaml

test: install check pytest

install: $(INSTALLED)

# torch first and pinned: an unpinned torch pulls gigabytes of CUDA packages
KERNEL := src/ionflow/builtin/potentials/chgnet/kernel
$(INSTALLED): pyproject.toml setup.py constraints.txt $(PLUGINS) $(wildcard $(KERNEL)/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]' \
	  $(foreach p,$(PLUGINS),-e $(dir $(p)))
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=15

# the figures of docs/performance.md; an idle machine makes them better ones
bench: install
	$(BIN)/python tests/benchmarks/bench_chgnet.py --out bench_chgnet.json
	$(BIN)/python tests/benchmarks/bench_step.py --out bench_step.json
	$(BIN)/python tests/benchmarks/bench_analysis.py --out bench_analysis.json
	$(BIN)/python tests/benchmarks/bench_whole.py --out bench_whole.json

# how often intervals hold the exact value: the table of docs/analyses/transport.md, half an hour
coverage: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/analysers/coverage.py --trajectories 1000

# the long form of the fault suite: the tables of docs/reliability.md; some hours, `make -j2 faults`
FAULTS := OMP_NUM_THREADS=1 $(BIN)/python tests/faults/long.py --out faults
faults: faults-kills faults-disk faults-tests faults-recipes
	$(FAULTS) --table

faults-kills: install
	$(FAULTS) workers drivers schedulers chgnet

faults-disk: install
	$(FAULTS) bits readonly repairs recovery extension processes dead enospc eio

faults-tests: install
	OMP_NUM_THREADS=1 IONFLOW_FAULTS=long $(BIN)/python -m pytest -q --timeout 3600 \
	  tests/faults tests/store/test_store_fence.py

faults-recipes: install
	OMP_NUM_THREADS=1 IONFLOW_FUZZ=10002 $(BIN)/python -m pytest -q --timeout 7200 \
	  tests/recipe/test_fuzz.py tests/recipe/test_fuzz_shipped.py

# docs/reference.md from the plugins' own fields, and the outputs of commands on other pages
docs: install
	$(BIN)/python docs/build_reference.py
	$(BIN)/python docs/refresh_outputs.py

clean:
	rm -rf $(VENV) build src/*.egg-info
