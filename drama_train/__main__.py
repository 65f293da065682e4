"""`python -m drama_train` trains; `python -m drama_train COMMAND` does what COMMAND says."""

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "train": "a release and a Llama -> a retriever (also without the word)",
    "prune": "a Llama -> a smaller one, its units picked by what they do",
    "pretrain": "a pruned Llama and texts -> the same Llama, recovered",
    "evaluate": "retrievers and BM25 side by side on judged sets",
    "export": "a run -> a folder that transformers, sentence-transformers and vLLM load",
    "publish": "an exported model -> the Hugging Face Hub",
}


def main(arguments: Sequence[str]) -> int:
    """Each command is a module of this package with `command(arguments) -> status`."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m drama_train [COMMAND] ...\n")
        for name, what in COMMANDS.items():
            print(f"  {name:<10}{what}")
        print(
            "\nEach has its own --help. Example: python -m drama_train --release releases/notes --model M --out runs/a"
        )
        return 0 if arguments else 2
    name = arguments[0] if arguments[0] in COMMANDS else "train"
    rest = arguments[1:] if arguments[0] in COMMANDS else arguments
    return int(importlib.import_module(f"drama_train.{name}").command(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
