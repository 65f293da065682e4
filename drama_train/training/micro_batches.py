"""The distinct texts of a step, sorted by length and cut into micro-batches of a token budget."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepTexts:
    """U distinct rows of token ids, and for every text of the step the number of its row."""

    rows: list[list[int]]
    numbers: list[int]

    @property
    def tokens(self) -> int:
        """Real tokens of the distinct texts: what one forward pass reads."""
        return sum(map(len, self.rows))


def distinct(texts: Sequence[Sequence[int]]) -> StepTexts:
    """Each text once, in the order of first appearance. Encoding it once is exact: its gradients add up."""
    known: dict[tuple[int, ...], int] = {}
    numbers = [known.setdefault(tuple(text), len(known)) for text in texts]
    return StepTexts([list(text) for text in known], numbers)


def micro_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """The numbers of the texts in micro-batches, the longest first: rows times the longest is at most `budget` tokens.

    A text longer than the budget is a micro-batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
    cut: list[list[int]] = []
    for at in order:
        if cut and lengths[cut[-1][0]] * (len(cut[-1]) + 1) <= budget:
            cut[-1].append(at)
        else:
            cut.append([at])
    return cut
