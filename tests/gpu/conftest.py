"""Everything here needs a GPU that torch sees; without one each test says so and does not run."""

from pathlib import Path

import pytest
import torch

from tests.llm.tiny_llama import write_tiny_llama


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"))


@pytest.fixture(autouse=True)
def _exact_float32() -> None:
    """No TF32, so that float32 is compared with a CPU's."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny") / "model")
