# Two commands do all the set-up: `make demo` runs the main job on the bundled installation, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test docs truth bench fuzz many kills clean

demo: $(VENV)/.installed
	$(BIN)/planner demo --exit-zero

test: $(VENV)/.tested-with
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n auto --dist loadgroup

# The pages of the rules; a test tells when they are not current.
docs: $(VENV)/.installed
	$(BIN)/python docs/rule_pages.py

truth: $(VENV)/.tested-with
	$(BIN)/python -m tests.truth --no-files

# Half an hour on a quiet machine: the channel and the installation are made first, and kept for the next time.
# BENCH="--only whole-answer" measures a part and leaves the others on the page.
bench: $(VENV)/.tested-with
	$(BIN)/python -m tests.bench $(BENCH)

# The same damage as in `make test`, fifty times as much of it.
fuzz: $(VENV)/.tested-with
	PLANNER_FUZZ=100000 $(BIN)/python -m pytest -q tests/test_elf.py tests/test_fuzz.py tests/test_calls.py tests/test_random_programs.py \
		-k "damaged or random"

# The same commands on a tree of a million files, with the seconds and the memory of each; it needs room for that many
# names, and some minutes.
many: $(VENV)/.tested-with
	PLANNER_FILES=1000000 $(BIN)/python -m pytest -q -s --durations=0 tests/test_many_files.py

# A migration killed at a thousand moments instead of fifty.
kills: $(VENV)/.tested-with
	PLANNER_KILLS=1000 $(BIN)/python -m pytest -q tests/test_apply.py -k killed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.tested-with: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info
