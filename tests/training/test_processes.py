"""What a run is told when the device that it asks for is not there."""

import pytest
import torch

from builders.cli.errors import UserError
from drama_train.training.processes import joined_processes


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="There are 0 GPUs here"), joined_processes("cuda"):
        pass
