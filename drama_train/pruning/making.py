"""The sequence of pruning: read, cut the vocabulary, pick, slice, measure, write."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.releases.manifests import write_json
from builders.store.folders import new_folder
from builders.store.locks import locked
from builders.store.provenance import provenance
from drama_train.language_model import LanguageModel, load_language_model, save_language_model
from drama_train.pretraining.perplexity import HELDOUT_BLOCKS, heldout_losses
from drama_train.pretraining.reading import read_tokens
from drama_train.pretraining.texts import open_texts
from drama_train.pruning.facts import KEEP, identity_of, origin_of, read_pruning, write_pruning
from drama_train.pruning.gates import check_reachable
from drama_train.pruning.hops import composed, halfway, reached, recovered
from drama_train.pruning.masks import Keep
from drama_train.pruning.picking import Pick, l0_plan, pick
from drama_train.pruning.shape import Shape, check_openable, counted, expansion, parse_shape, shape_of
from drama_train.pruning.showing import losses_told, show_cut
from drama_train.pruning.slicing import check_sliceable, sliced
from drama_train.pruning.work_folder import CUT_TOKENS, HOP, LEARNED, LEARNED_HOP, TOKENS, settle_flags, work_folder
from drama_train.training import processes

if TYPE_CHECKING:
    from drama_train.pretraining.tokens import Tokens
    from drama_train.prune import Prune
    from drama_train.training.mixture import Stream

_PLOT, _LOG = "sparsity.svg", "l0.jsonl"


@dataclass(frozen=True)
class _Cut:
    model: Any
    keep: Keep


def make(config: "Prune", device: str) -> Path | None:
    """Prune, and write the folder; None of processes beside the first. What is there already is not made again.

    What is needed on the way stands beside it, in .NAME.work, from where a run that was stopped goes on.
    """
    identity, work = identity_of(config, device), work_folder(config.out)
    if config.out.exists():
        _check_same(config.out, identity)
    is_first = processes.rank() == 0
    with locked(work / "lock", str(config.out)) if is_first else nullcontext():
        if config.out.exists():
            _check_same(config.out, identity)
            processes.tell(f"already pruned: {config.out}")
        else:
            if is_first:
                settle_flags(work, identity)
            _make(config, device, work, identity)
        processes.wait_for_first()
        if is_first:
            shutil.rmtree(work)
    return config.out if is_first else None


def check_target(config: "Prune", language_model: LanguageModel) -> tuple[Shape, Shape]:
    """(source, target). UserError where the target cannot be cut from the model by that pick."""
    check_sliceable(language_model.model)
    config.reading.check_length(language_model.model, config.model)
    source, target = shape_of(language_model.model.config), parse_shape(config.shape)
    half = halfway(source, target, source.kv_heads * expansion(source, target))
    hops = [(source, target)] if config.hops == 1 else [(source, half), (half, target)]
    for before, after in hops:
        kv_heads = before.kv_heads * expansion(before, after)
        check_openable(after, language_model.model.config.model_type)
        if config.pick == "l0":
            check_reachable(before, after, kv_heads)
    if config.pick == "l0":
        l0_plan(config.learning, language_model.model.device.type, config.seed)  # refuses too few steps
    return source, target


def _make(config: "Prune", device: str, work: Path, identity: Mapping[str, Any]) -> None:
    language_model = load_language_model(config.model, device=device)
    source, target = check_target(config, language_model)
    before = counted(language_model.model)
    came_from = {
        "texts": [open_texts(place).recorded() for place in config.reading.texts],
        "origin": origin_of(config.model),
    }
    tokens = _tokens(config, work, language_model)
    whole, kept_tokens = language_model, None
    if config.vocabulary:
        from drama_train.pruning.vocabulary import cut_vocabulary

        language_model, kept_tokens = cut_vocabulary(whole, tokens, config.vocabulary)
        tokens = _tokens(config, work / CUT_TOKENS, language_model)
    losses = {"source": _losses(whole, tokens, kept_tokens)}
    del whole
    if processes.rank() == 0:
        show_cut(source, target, before, language_model.model)
    cut = _cut(config, language_model, target, tokens, work, identity)
    pruned = LanguageModel(cut.model, language_model.tokenizer)
    losses["cut"] = _losses(pruned, tokens)
    if processes.rank() > 0:
        return
    if losses["cut"]:
        say(losses_told(losses))
    told = {
        **identity,
        **came_from,
        "source_shape": str(source),
        "target_shape": str(target),
        "parameters": {"source": before, "target": counted(pruned.model)},
        "tokens": kept_tokens,
        "losses": losses,
        "made_with": provenance(),
    }
    _write(config, pruned, cut.keep, work, told)


def _tokens(config: "Prune", work: Path, language_model: LanguageModel) -> "Tokens":
    """The first process writes them, the others map them."""
    folder = work / TOKENS
    if processes.rank() > 0:
        processes.wait_for_first()
    tokens = read_tokens(config.reading, folder, language_model.tokenizer)
    if processes.rank() == 0:
        processes.wait_for_first()
    return tokens


def _cut(
    config: "Prune",
    language_model: LanguageModel,
    target: Shape,
    tokens: "Tokens",
    work: Path,
    identity: Mapping[str, Any],
) -> "_Cut":
    """The smaller model, and what of the source it is. Every process makes the same."""
    streams = tokens.streams(config.reading.by_language() or None, config.reading.balance)
    model, first = language_model.model, None
    if config.hops > 1:
        model, first = _first_hop(config, language_model, target, tokens, streams, work, identity)
    made = Pick(config.pick, target, config.samples, config.learning, config.seed)
    picked = pick(made, model, tokens, streams, work / LEARNED, identity)
    small = sliced(picked.model, picked.keep, picked.gates if config.fold else None)
    if (found := shape_of(small.config)) != target:
        raise AssertionError(f"sliced to {found}, and not to {target}")
    return _Cut(small, composed(first, picked.keep) if first else picked.keep)


def _first_hop(
    config: "Prune",
    language_model: LanguageModel,
    target: Shape,
    tokens: "Tokens",
    streams: "Sequence[Stream]",
    work: Path,
    identity: Mapping[str, Any],
) -> tuple[Any, Keep]:
    """The model halfway, recovered, and what it is of the source. Every process picks the same."""
    source, device = shape_of(language_model.model.config), str(language_model.model.device)
    half = halfway(source, target, source.kv_heads * expansion(source, target))
    folder, kept = work / HOP, work / HOP / KEEP
    model = reached(folder, device)
    if model is None:
        made = Pick(config.pick, half, config.samples, config.learning, config.seed)
        picked = pick(made, language_model.model, tokens, streams, work / LEARNED_HOP, identity)
        model = LanguageModel(sliced(picked.model, picked.keep), language_model.tokenizer)
        if processes.rank() == 0:
            write_json(kept, picked.keep.facts())
    processes.wait_for_first()
    processes.tell(f"first hop: {half}")
    recovered(model, tokens, streams, config.hop_steps, config.seed, folder)
    return model.model, Keep.of(json.loads(kept.read_text()))


def _losses(
    language_model: LanguageModel, tokens: "Tokens", numbers: "Sequence[int] | None" = None
) -> dict[str, float]:
    """Nats a token on held-out text, by language. Processes share the blocks, and all must ask.

    UserError where one is no number: pruning.json would be no JSON, and nothing could be compared with it.
    numbers: the model's of each of the tokens where their vocabulary was cut: then a language that was not chosen has
    more tokens, and a loss in each that the source's own tokens have not.
    """
    import torch

    model = language_model.model
    mapped = None if numbers is None else torch.tensor(numbers, device=model.device)
    found = heldout_losses(model, tokens, blocks=HELDOUT_BLOCKS, batch=4, numbers=mapped)
    if bad := [name for name, one in found.items() if not math.isfinite(one.loss)]:
        raise UserError(
            f"The held-out loss of {', '.join(bad)} is no number, of a model of {shape_of(model.config)}: its weights "
            "overflow on these texts; give another model, or other texts."
        )
    return {name: round(one.loss, 6) for name, one in found.items()}


def _write(config: "Prune", pruned: LanguageModel, keep: Keep, work: Path, told: Mapping[str, Any]) -> None:
    """pruning.json is written last."""
    with new_folder(config.out) as (folder, _):
        save_language_model(pruned, folder)
        write_json(folder / KEEP, keep.facts())
        if config.pick == "l0":
            from drama_train.pruning.plots import write_sparsity
            from drama_train.training.run_log import LOG

            hops = {"": LEARNED} | ({"first-": LEARNED_HOP} if config.hops > 1 else {})
            for prefix, learned in hops.items():
                log = shutil.copy(work / learned / LOG, folder / f"{prefix}{_LOG}")
                write_sparsity(Path(log), folder / f"{prefix}{_PLOT}")
        write_pruning(folder, told)


def _check_same(folder: Path, identity: Mapping[str, Any]) -> None:
    """UserError where the folder holds something else."""
    told = read_pruning(folder)
    if told is None:
        raise UserError(f"{folder} is there and holds no pruned model: name another --out.", exit_code=2)
    now = json.loads(json.dumps(identity))
    told = told | {"texts": [{name: one[name] for name in ("name", "content_hash")} for one in told.get("texts", [])]}
    different = next((name for name in now if told.get(name) != now[name]), None)
    if different is not None:
        raise UserError(
            f"{folder} was pruned otherwise: its {different} is {told.get(different)}, and would be {now[different]}; "
            "name another --out.",
            exit_code=2,
        )
