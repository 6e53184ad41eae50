# make demo   the whole story on the embedded data      make test   all the tests
# make screenshots   every screen of the page, as pictures in screenshots/ (needs Chromium)
# make fuzz   an hour of random tables and model files
# make lint   ruff and strict types                     make bench  speed beside peers, into docs/benchmarks.md
PYTHON ?= python3
VENV ?= .venv
BENCH ?= .bench
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean help screenshots chromium java fuzz

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

# Some tests need what pip does not install: a browser for those of the page, Java for those of Spark. Both come from
# Debian, where root may install packages; without them these tests are skipped. PALATE_NO_INSTALL=1 forbids it.
# $(call install,COMMANDS,PACKAGE,NAME,VARIABLE,TESTS): install PACKAGE unless a command is there or the variable is set.
APT := apt-get install -y --no-install-recommends
define install
@for command in $(1); do command -v $$command >/dev/null && exit 0; done; \
	if [ -n "$$$(4)" ]; then :; \
	elif [ -n "$$PALATE_NO_INSTALL" ]; then echo "no $(3), and PALATE_NO_INSTALL is set: $(5) are skipped"; \
	elif [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "no $(3), and only root can install it by apt-get: $(5) are skipped"; \
	else \
		echo "$(5) need $(3) (PALATE_NO_INSTALL=1 leaves them out). Running: $(APT) $(2)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(APT) $(2) -qq >/dev/null || \
			echo "$(3) cannot be installed here: $(5) are skipped"; \
	fi
endef

chromium:
	$(call install,chromium chromium-browser,chromium,Chromium,PALATE_CHROMIUM,the tests of the page)

java:
	$(call install,java,openjdk-17-jre-headless,Java,JAVA_HOME,the tests of Spark)

screenshots: $(VENV)/.test chromium
	$(BIN)/python tests/browser/screens.py screenshots

test: $(VENV)/.test chromium java
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
