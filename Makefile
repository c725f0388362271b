# make demo       corpus, cache, training, generation and numbers, on this machine (8 to 13 minutes after the install)
# make test       the tests of an ordinary machine        make test-long  those that train models
# make pretrained   trains the model inside the package again (emage/pretrained; README says how long)
# make lint       ruff                                    make install    only .venv
PYTHON ?= python3
PY := .venv/bin/python
export OMP_NUM_THREADS ?= 1

.PHONY: demo pretrained test test-long lint style install clean

demo: install
	$(PY) tools/make_demo.py

pretrained: install
	$(PY) tools/make_pretrained.py
	$(PY) tools/evaluate_pretrained.py

test: install
	$(PY) -m pytest -n 2

test-long: install
	$(PY) -m pytest -m long

lint: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

style: install
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

install: .venv/installed

.venv/installed: setup.py constraints.txt
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet -c constraints.txt -e ".[all]"
	touch $@

clean:
	rm -rf runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
