# promolab. `make help` lists what there is.
#
# Everything lives in .venv, made on first use by any Python from 3.11 on. Two stamps say how far
# it is: .venv/.report (enough for the weekly report) and .venv/.all (tests, lint, JupyterLab too).
# A stamp is written last and depends on pyproject.toml, so a broken install is done again.
#
#   make report ARGS="--week 2017-W44"    arguments for the command behind a target
#   make test PYTHON=/opt/python3.12      this Python and no other

SHELL := /bin/sh
PYTHON ?=
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: report demo test lab docs lint bench clean help

report: .venv/.report  ## the weekly campaign report, into reports/
	.venv/bin/promolab report $(ARGS)

demo: .venv/.report  ## eight weeks of the loop as reports, into demo/
	.venv/bin/promolab demo $(ARGS)

test: .venv/.all  ## every test and every example in a docstring
	.venv/bin/python -m pytest -n auto --dist loadfile $(ARGS)

lab: .venv/.all  ## JupyterLab on the notebooks
	.venv/bin/promolab lab $(ARGS)

docs: .venv/.all  ## the site with tutorial and reference, into build/docs/
	.venv/bin/python -m sphinx -q -W --keep-going -b html docs build/docs $(ARGS)
	@echo build/docs/index.html

lint: .venv/.all  ## style, format, types; what each room weighs
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m tests.house

bench: .venv/.all  ## benchmarks: time, memory and quality
	.venv/bin/python -m benchmarks $(ARGS)

clean:  ## remove .venv, builds and caches; reports/ and data/ stay
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . \( -path ./.git -o -path ./reports -o -path ./data \) -prune -o \
		\( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/make \1	\2/p' Makefile

.venv/.report: pyproject.toml .venv/bin/python
	.venv/bin/python -m pip install --disable-pip-version-check -e .
	@touch $@

.venv/.all: pyproject.toml .venv/bin/python
	.venv/bin/python -m pip install --disable-pip-version-check -e '.[all]'
	@touch .venv/.report $@

# A Python is tried by running it: a version manager may put a python3.12 on PATH that only says
# "command not found", and Debian's python3 comes without ensurepip.
.venv/bin/python:
	@set -- python3.11 python3.12 python3.13 python3; \
	if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; fi; \
	bare=; \
	for candidate in "$$@"; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
			>/dev/null 2>&1; then \
			echo "setting up .venv with $$candidate (the first time takes some minutes)" >&2; \
			"$$candidate" -m venv --clear .venv; exit; \
		elif "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
			>/dev/null 2>&1; then bare=$$candidate; \
		fi; \
	done; \
	if [ -n "$$bare" ]; then \
		echo "promolab: $$bare lacks the module venv or ensurepip;" \
			"on Debian or Ubuntu: apt install $${bare##*/}-venv, then run make again." >&2; \
	else \
		echo "promolab needs Python 3.11 or newer; tried $$*, and none of them runs as one." \
			"Install it, or name yours: make report PYTHON=/path/to/python3" >&2; \
	fi; \
	exit 1
