# make demo   the whole story on the embedded data      make test   all the tests
# make screenshots   every screen of the page, as pictures in screenshots/ (needs Chromium)
# make fuzz   an hour of random tables and model files
# make lint   ruff and strict types                     make bench  speed beside peers, into docs/benchmarks.md
PYTHON ?= python3
VENV ?= .venv
BENCH ?= .bench
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean help screenshots chromium fuzz

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "palate needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of packages, renewed when the requirements change.
$(VENV)/.core: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.%: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/palate demo
	@echo; echo "The command is $(BIN)/palate; '. $(BIN)/activate' puts it on the PATH."

# The tests of the page need a browser: Debian's, where root may install packages. Without one they are skipped.
# PALATE_NO_INSTALL=1 forbids it.
CHROMIUM := apt-get install -y --no-install-recommends chromium
chromium:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -n "$$PALATE_CHROMIUM" ]; then :; \
	elif [ -n "$$PALATE_NO_INSTALL" ]; then echo "no Chromium, and PALATE_NO_INSTALL is set: the tests of the page are skipped"; \
	elif [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "no Chromium, and only root can install it by apt-get: the tests of the page are skipped"; \
	else \
		echo "The tests of the page need Chromium (PALATE_NO_INSTALL=1 leaves them out). Running: $(CHROMIUM)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(CHROMIUM) -qq >/dev/null || \
			echo "Chromium cannot be installed here: the tests of the page are skipped"; \
	fi

screenshots: $(VENV)/.test chromium
	$(BIN)/python tests/browser/screens.py screenshots

test: $(VENV)/.test chromium
	$(BIN)/python -m pytest -n auto -rs

FUZZ_SECONDS ?= 3600
fuzz: $(VENV)/.test
	$(BIN)/python tests/fuzz/run.py all $(FUZZ_SECONDS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Peers live in an environment of their own. One that cannot be installed here does not keep the others.
$(BENCH)/.ready: pyproject.toml benchmarks/install.py benchmarks/libmf.cpp $(wildcard benchmarks/peers/*.py)
	$(PYTHON) -m venv $(BENCH)/venv
	$(BENCH)/venv/bin/python -m pip install --quiet --disable-pip-version-check -e . matplotlib
	PALATE_BENCH=$(abspath $(BENCH)) $(BENCH)/venv/bin/python benchmarks/install.py
	@touch $@

# make bench JOBS="als sgd" runs only these.
bench: $(BENCH)/.ready
	PALATE_BENCH=$(abspath $(BENCH)) $(BENCH)/venv/bin/python benchmarks/run.py $(JOBS) --write

clean:
	rm -rf $(VENV) $(BENCH) build dist .pytest_cache .mypy_cache .ruff_cache
