"""What a run is told when its device cannot hold it."""

import pytest
import torch

from builders.cli.errors import UserError
from drama_train.training.processes import joined_processes

FULL = (
    "CUDA out of memory. Tried to allocate 160.00 MiB. GPU 0 has a total capacity of 23.64 GiB of which 28.31 MiB is "
    "free. Including non-PyTorch memory, this process has 22.54 GiB memory in use."
)


@pytest.mark.parametrize(
    ("fault", "told"),
    [(FULL, "full (GPU 0 has a total capacity of 23.64 GiB of which 28.31 MiB is free): "), ("worded anew", "full: ")],
)
def test_a_full_gpu_is_one_sentence_with_what_to_do(fault: str, told: str) -> None:
    with pytest.raises(UserError, match="--budget") as found, joined_processes("cpu"):
        raise torch.OutOfMemoryError(fault)
    assert str(found.value).startswith(f"The GPU's memory is {told}")


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("torch sees a GPU")
    with pytest.raises(UserError, match="There are 0 GPUs here"), joined_processes("cuda"):
        pass
