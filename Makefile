# Everything that is done with this repository. Each target installs what it needs, once.
PYTHON ?= python3
JOBS ?= 2
GPU_OUT ?= leaderboards/benchmarks/gpu.json
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: install quickstart test test-slow lint docs bench gpu-check clean

install: $(VENV)/installed

quickstart: install
	$(BIN)/benchkit run --suite quickstart --jobs $(JOBS)

# One thread a worker: the tests run side by side, and whoever is done takes over from the other.
test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist worksteal

test-slow: $(VENV)/installed-test-slow
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --durations=20

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/site: open index.html. Warnings are errors; nothing of it is loaded from elsewhere.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

# RECTOOLS_PYTHON is that of an environment with rectools[torch]==0.19; without it SASRec's file stays.
bench: $(VENV)/installed-test
	$(BIN)/python tests/benchmarks/bench_scoring.py
	$(BIN)/python tests/benchmarks/bench_evaluation.py --out leaderboards/benchmarks/evaluation.json
	$(BIN)/python tests/benchmarks/bench_prepare.py
	$(BIN)/python tests/benchmarks/bench_isolation.py
	$(BIN)/python tests/benchmarks/bench_out_of_core.py --reviews 10000000 --limit-gb 6 --way always --compare
	$(BIN)/python tests/benchmarks/bench_executors.py --out leaderboards/benchmarks/executors.json
	$(BIN)/python tests/benchmarks/bench_estimates.py --out leaderboards/benchmarks/estimates.json
	$(BIN)/python tests/benchmarks/bench_calibration.py --out leaderboards/benchmarks/calibration.json
	$(BIN)/python tests/benchmarks/bench_probes.py --out leaderboards/benchmarks/probes.json
	$(BIN)/python tests/benchmarks/bench_lm.py --out leaderboards/benchmarks/language_models.json
	$(BIN)/python tests/benchmarks/bench_preference.py --out leaderboards/benchmarks/preference.json
	$(BIN)/python tests/benchmarks/bench_grpo.py --out leaderboards/benchmarks/grpo.json
	$(BIN)/python tests/benchmarks/bench_nano.py
	$(BIN)/python tests/benchmarks/bench_encoder.py --out leaderboards/benchmarks/encoder.json
	$(BIN)/python tests/benchmarks/bench_page.py
	$(BIN)/python tests/benchmarks/bench_report.py
	$(BIN)/python tests/benchmarks/bench_sasrec.py --family $(if $(RECTOOLS_PYTHON),--rectools-python $(RECTOOLS_PYTHON) --out leaderboards/benchmarks/sasrec_family.json)

# At most eight minutes on one large GPU; downloads no model. Liger and vLLM count if installed.
gpu-check: $(VENV)/installed-test
	$(BIN)/python tests/benchmarks/gpu_check.py --out $(GPU_OUT)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "benchkit needs Python 3.11 or later: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); a few minutes the first time"
	$(PIP) --editable '.[recbole,lm,openai,teacher,plots]'
	@# RecBole's own pins cannot be met any more; the extra lists what it really imports.
	$(PIP) --no-deps recbole==1.2.1
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable '.[recbole,lm,openai,teacher,plots,docs,test]'
	touch $@

$(VENV)/installed-test-slow: $(VENV)/installed-test
	$(PIP) --editable '.[recbole,lm,openai,teacher,plots,docs,test-slow]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) --editable '.[recbole,lm,openai,teacher,plots,docs]'
	touch $@
