"""Kv heads repeated: the same outputs, in every number of them that heads can share."""

import pytest
import torch

from drama_train.pruning.gqa import expanded
from drama_train.pruning.shape import Shape, shape_of
from tests.pruning.making import FAMILIES, HEAD_DIM, Family, ids_of, make_model

GROUPED = Shape(2, 24, 8, 2, 40)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("factor", [2, 4])
def test_outputs_are_equal(wide_norms: None, family: Family, tied: bool, factor: int) -> None:
    model, ids = make_model(family, shape=GROUPED, tied=tied), ids_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    made = expanded(model, factor)
    assert shape_of(made.config).kv_heads == 2 * factor and shape_of(model.config) == GROUPED
    attention = made.model.layers[1].self_attn
    assert attention.k_proj.out_features == attention.v_proj.out_features == 2 * factor * HEAD_DIM
    assert attention.v_proj.weight.shape == (2 * factor * HEAD_DIM, 24)
    with torch.no_grad():
        expected, found = model(ids).logits, made(ids).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert (made.lm_head.weight is made.model.embed_tokens.weight) is tied
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_every_kv_head_of_a_whole_expansion_is_its_own(wide_norms: None) -> None:
    """Another value in one of them moves its head alone."""
    made = expanded(make_model(shape=GROUPED), 4)
    seen = []
    handle = made.model.layers[0].self_attn.o_proj.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        made(ids_of())
        made.model.layers[0].self_attn.v_proj.weight[5 * HEAD_DIM : 6 * HEAD_DIM] += 1
        made(ids_of())
    handle.remove()
    moved = (seen[1] - seen[0]).abs().view(2, 9, 8, HEAD_DIM).amax((0, 1, 3)) > 0
    assert moved.tolist() == [number == 5 for number in range(8)]


def test_other_weights_are_the_same_memory() -> None:
    """Of a model of 1B parameters no second one is made; kv heads are copies, or they would be trained as one."""
    model = make_model(shape=GROUPED)
    made = expanded(model, 2)
    for name, parameter in made.named_parameters():
        is_shared = parameter.data_ptr() == model.get_parameter(name).data_ptr()
        assert is_shared is not name.endswith(("k_proj.weight", "v_proj.weight")), name
    first, second = made.model.layers[0].self_attn.k_proj.weight[: 2 * HEAD_DIM].split(HEAD_DIM)
    assert torch.equal(first, second) and first.data_ptr() != second.data_ptr()


def test_once_is_the_model_itself_and_what_heads_cannot_share_is_refused() -> None:
    model = make_model(shape=GROUPED)
    assert expanded(model, 1) is model
    with pytest.raises(ValueError, match="4 heads of a kv head cannot be shared by 3"):
        expanded(model, 3)
