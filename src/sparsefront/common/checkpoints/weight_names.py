"""Names that tensors got from what a network was wrapped in when it was saved."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from sparsefront.common.checkpoints.checkpoint_file import EXTRA, part_of

COUNTER = "num_batches_tracked"  # of batch norm: bookkeeping that older files lack
_WORDS = ("module", "_orig_mod", "_fsdp_wrapped_module")  # of DataParallel and DDP, torch.compile, FSDP


def unwrapped(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], parts: Sequence[str] = ("",)
) -> dict[str, Tensor]:
    """The tensors of a file under the names that a module has, as far as wrappers alone make the difference.

    `torch.compile`, FSDP, `DataParallel` and DDP put words of their own into names, around the network or a part of it,
    and so does `AveragedModel`, with a count. A network that the saved one was a part of puts its own name for it, and
    a module that wraps one network adds a name. Counters of batches are taken from the module where the file has none.

    Args:
        state: the file's.
        own: the module's.
        parts: names that the module may go by in a larger network; "" for none.

    Returns:
        All of the part whose names are the module's, else those of the form that comes nearest.
    """
    wanted = {name for name in own if not name.endswith(COUNTER)}
    forms = [form for part in parts for form in _forms(state, part)]
    inner = {name.split(".")[0] for name in wanted}
    if len(inner) == 1:  # the module is itself little more than a wrapper: of a timm model, say
        forms += [{f"{next(iter(inner))}.{name}": tensor for name, tensor in form.items()} for form in forms]
    forms += [_as_named(form, own) for form in forms]
    nearest = max(forms, key=lambda form: len(wanted & form.keys()) - len(_uncounted(form) - wanted))
    counters = {name: tensor for name, tensor in own.items() if name.endswith(COUNTER)}
    return counters | {name: tensor for name, tensor in nearest.items() if not name.endswith(COUNTER) or name in own}


def shapes_of(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes by name; () of what a module keeps besides its tensors, which may change its shape."""
    return {name: () if name.split(".")[-1] == EXTRA else tuple(value.shape) for name, value in state.items()}


def bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file without the names of any wrapper, for a network that is not there yet."""
    return list(_without_wrappers(dict(state)))[-1]


def _uncounted(form: Mapping[str, Tensor]) -> set[str]:
    return {name for name in form if not name.endswith(COUNTER)}


def _forms(state: Mapping[str, Tensor], part: str) -> Iterator[dict[str, Tensor]]:
    """Of a part, as it is and without its wrappers."""
    for whole in _without_wrappers(dict(state)):
        for found in _without_wrappers(part_of(whole, part) if part else whole):
            if found or not part:
                yield from _without_shared_names(found)


def _without_shared_names(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tensors as they are, then without the first name, where all share one, and so on."""
    yield state
    first = {name.split(".")[0] for name in state}
    if len(first) == 1 and (inner := part_of(state, first.pop())):
        yield from _without_shared_names(inner)


def _as_named(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under those of the module's names that differ from theirs by the words of wrappers alone."""
    names = {_plain(name): name for name in own}
    found = {names.get(_plain(name), name): tensor for name, tensor in state.items()}
    return found if len(names) == len(own) and len(found) == len(state) else state


def _plain(name: str) -> str:
    return ".".join(word for word in name.split(".") if word not in _WORDS)


def _without_wrappers(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    yield state
    state = {name: tensor for name, tensor in state.items() if name != "n_averaged"}  # of `AveragedModel`
    compiled = {".".join(word for word in name.split(".") if word not in _WORDS[1:]): state[name] for name in state}
    if compiled.keys() != state.keys():
        yield from _without_wrappers(compiled)
    elif state and all(name.startswith("module.") for name in state):
        yield from _without_wrappers(part_of(state, "module"))
