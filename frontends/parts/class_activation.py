"""Where a network looks: class activation maps that one wrong class does not turn over."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.gradient_of import gradient_of, retried


def robust_class_activation(network: nn.Module, images: Tensor, n_classes: int = 5) -> Tensor:
    """Robust class activation maps (Prakash et al. 2018: R-CAM).

    The map is sum over i = 1..k of M(c_i) / 2^i for the k most probable classes c_i, so that an adversary who changes
    the first class changes half of it, scaled to [0, 1] in each image. M(c) is the class's map on the last feature
    maps f that the network computes: at each place, sum over channels j of f_j d logit_c / d f_j. The gradient is taken
    place by place, not averaged over them as Selvaraju et al. 2017 do, for a head that tells places apart, one linear
    layer on all of f say, weighs each place by itself. For a network that ends in global average pooling and one
    linear layer the gradient is the same everywhere, and this is, up to the scale, the map of Zhou et al. 2016 that
    the paper uses.

    Args:
        network: images -> logits (B, K), in evaluation mode.
        images: (B, C, H, W).
        n_classes: k; K if that is fewer.

    Returns:
        (B, H, W), constants. All 0 where the map is flat.

    Raises:
        ValueError: a network without feature maps (B, C, h, w) of more than one pixel.
    """
    # Evaluation runs under no_grad or inference_mode; the maps need a gradient all the same.
    with torch.inference_mode(False), torch.enable_grad():
        features, gradient = retried(lambda: _features_and_gradient(network, images, n_classes))
    maps = (gradient * features).sum(dim=1, keepdim=True)
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    maps = F.interpolate(maps, images.shape[2:], mode="bilinear")[:, 0]
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), 0.0)


def _features_and_gradient(network: nn.Module, images: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """The last feature maps (B, C, h, w), and the gradient of the weighted logits in them."""
    x = images.detach().clone().requires_grad_()
    features, logits = _with_last_features(network, x.clone())  # which it may write into
    if features is None:
        raise ValueError(
            "`attention` must be a network that computes feature maps (B, C, h, w) of more than one pixel, found "
            f"none in {type(network).__name__}; choose a convolutional network or larger images."
        )
    highest = logits.topk(min(n_classes, logits.shape[1]), dim=1).values
    weights = 0.5 ** torch.arange(1, highest.shape[1] + 1, device=highest.device)
    gradient = gradient_of((highest * weights).sum(), features, network.parameters())
    return features.detach(), torch.zeros_like(features) if gradient is None else gradient.detach()


def _with_last_features(network: nn.Module, images: Tensor) -> tuple[Tensor | None, Tensor]:
    """The last feature maps of more than one pixel that lead to the logits, and the logits (B, K)."""
    last: Tensor | None = None

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        nonlocal last
        # What a checkpointed part computes within is computed without a graph; what it returns has one.
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:].numel() > 1 and output.requires_grad:
            last = output

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        logits = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    if last is not None and not last.is_leaf:
        last.retain_grad()
    return last, logits
