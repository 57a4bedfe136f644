"""Checkpoints and other files of weights, read as data: nothing that is in one is imported, called or unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor

from sparsefront.common.checkpoints.tensor_digest import DIGEST, check_digest
from sparsefront.common.home import at_home

STATE = "state_dict"
EXTRA = "_extra_state"  # of a module, by `get_extra_state`: torch's name of what need be no tensor
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")  # of training scripts, in order


_CHECK = "; check the path"


def read_weights(path: str | Path, setting: str, *, of_run: bool = False) -> dict[str, Tensor]:
    """The tensors by name of a file: a checkpoint's, a `torch.save(model.state_dict(), path)`'s, a .safetensors'.

    Args:
        path: of the file.
        setting: what the user named it by, for the sentence.
        of_run: whether a checkpoint of a run is what is named there as a rule, for the sentence.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of something else, or a damaged one.
    """
    file = local_file(path, setting, "a checkpoint file" if of_run else "a file of weights", "" if of_run else _CHECK)
    try:
        return _tensors(load(file))
    except Exception as error:
        why = _why(error)
        if of_run:
            raise ValueError(
                f"`{setting}` must be a whole checkpoint that `sparsefront fit` wrote, found {path}, which does not "
                f"load ({why}); name another, or save a network's weights with `torch.save(net.state_dict(), path)`."
            ) from None
        raise ValueError(
            f"`{setting}` must name a file of tensors by name, found another content in {path} ({why}); "
            "save it with safetensors, or with `torch.save(model.state_dict(), path)`."
        ) from None


def read_whole_checkpoint(path: str | Path, setting: str, *, to_resume: bool = False) -> dict[str, Any]:
    """All that Lightning keeps of a run, to go on from or to judge: settings, tensors, optimizers, counters.

    Args:
        path: of the file.
        setting: what the user named it by, for the sentence.
        to_resume: whether a fit will go on from it, so that counters and optimizers must be there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of something else, a damaged one, weights alone, or what a Lightning before 2.0 wrote.
    """
    found = local_file(path, setting, "a checkpoint file")
    try:
        content = load(found)
        _check_whole(content)
        if to_resume:
            _check_to_resume(content)
        return dict(content)
    except Exception as error:
        raise ValueError(
            f"`{setting}` must be a whole checkpoint that `sparsefront fit` wrote, found {path}, which does not load "
            f"({_why(error)}); name another, or give weights alone to `model.classifier_checkpoint`."
        ) from None


def local_file(path: str | Path, setting: str, what: str, mend: str = "") -> Path:
    """The file of that path on this machine; `what` it should be and `mend` are for the sentence.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an address elsewhere.
    """
    if "://" in str(path):
        raise ValueError(f"`{setting}` must name {what} on this machine, found {path}; download it first.")
    found = Path(at_home(str(path)))
    if not found.is_file():
        raise FileNotFoundError(f"`{setting}` must name {what}, found none at {path}{mend}.")
    return found.absolute()


def load(path: Path) -> Any:
    """The content of a file of tensors and plain values; any error means that it is damaged or holds something else."""
    if path.suffix == ".safetensors":
        return load_file(path)
    if is_zipfile(path):
        with ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:  # torch does not look at the sums that it keeps
                raise ValueError(f"its part {damaged} is damaged")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping) and DIGEST in content:
        check_digest(content[STATE], content[DIGEST])
    return content


def part_of(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of the part that goes by that name, under the names that they have there; none where it is absent."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def _tensors(content: Any) -> dict[str, Tensor]:
    wrapped = [content.get(key) for key in _WRAPPERS] if isinstance(content, Mapping) else []
    state = next((one for one in (content, *wrapped) if _is_state(one)), None)
    if state is None:
        raise ValueError("no tensors by name")
    own = DIGEST in content  # written here: of the model's own buffers, which may be of any kind
    for name, tensor in state.items():
        if own or not isinstance(tensor, Tensor):
            continue
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise ValueError(f"its tensor {name} is sparse or quantized; save it dense")
        if tensor.is_meta:
            raise ValueError(f"its tensor {name} is on the device meta, without values")
    return dict(state)


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(key, str) and (isinstance(value, Tensor) or key.split(".")[-1] == EXTRA)
        for key, value in content.items()
    )


def _check_whole(content: Any) -> None:
    if not isinstance(content, Mapping) or STATE not in content:
        raise ValueError("it holds weights alone" if _is_state(content) else "it is no checkpoint")
    _tensors({key: content[key] for key in (STATE, DIGEST) if key in content})
    for key in ("epoch", "global_step"):
        if not isinstance(content.get(key, 0), int):
            raise ValueError(f"its {key} is {content[key]!r}, where a number should be")
    version = content.get("pytorch-lightning_version")
    if version is None:
        raise ValueError("it holds no version of Lightning, as weights alone do not")
    if not str(version).split(".")[0].isdigit() or int(str(version).split(".")[0]) < 2:
        raise ValueError(f"Lightning {version} wrote it, which is too old; 2.0 is the first that is read")


def _check_to_resume(content: Mapping[str, Any]) -> None:
    """Raise a ValueError unless what a fit goes on from is of the kinds that Lightning writes."""
    kinds: dict[str, type] = {"loops": Mapping, "callbacks": Mapping, "optimizer_states": list, "lr_schedulers": list}
    for key, kind in kinds.items():
        if key in content and not isinstance(content[key], kind):
            raise ValueError(f"its {key} are damaged")
    loop = content.get("loops", {}).get("fit_loop")
    if "optimizer_states" in content and not (
        isinstance(loop, Mapping) and isinstance(loop.get("state_dict"), Mapping)
    ):
        raise ValueError("it does not say how far its fit had come")
    if not all(isinstance(state, Mapping) for state in content.get("callbacks", {}).values()):
        raise ValueError("its callbacks are damaged")
    for state in content.get("optimizer_states", []):
        if not (isinstance(state, Mapping) and isinstance(state.get("param_groups"), list)):
            raise ValueError("its optimizer_states are damaged")


def _why(error: Exception) -> str:
    """Our own words; of another's error its kind, for what torch says of a pickle advises to run it."""
    return str(error) if type(error) is ValueError else type(error).__name__
