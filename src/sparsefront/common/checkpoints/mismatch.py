"""Tensors of another model, told in one sentence."""

from torch import Tensor, nn

from sparsefront.common.checkpoints.weight_names import shapes_of


def explain_mismatch(module: nn.Module, state: dict[str, Tensor], origin: str, whose: str) -> None:
    """Raise one sentence if the names or shapes in `state` differ from those of `module`."""
    own = shapes_of(module.state_dict())
    other = shapes_of(state)
    if own == other:
        return
    differing = sorted(name for name in own.keys() | other.keys() if own.get(name) != other.get(name))
    name = differing[0]
    raise ValueError(
        f"{origin} belongs to another front end or classifier: {len(differing)} tensors differ, the first is {name} "
        f"({whose} {own.get(name, 'is absent')}, the checkpoint's {other.get(name, 'is absent')}); "
        "give the settings that it was trained with: they are in the config.yaml of its run."
    )
