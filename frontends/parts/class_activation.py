"""Where a network looks: class activation maps that one wrong class does not turn over."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:].numel() > 1:
            seen[:] = [output]

    # Evaluation runs under no_grad or inference_mode; the maps need a gradient all the same.
    with torch.inference_mode(False), torch.enable_grad():
        x = images.detach().clone().requires_grad_()
        hooks = [module.register_forward_hook(keep) for module in network.modules()]
        try:
            logits = network(x.clone())  # which may write into what it is given
        finally:
            for hook in hooks:
                hook.remove()
        if not seen:
            raise ValueError(
                "`attention` must be a network that computes feature maps (B, C, h, w) of more than one pixel, found "
                f"none in {type(network).__name__}; choose a convolutional network or larger images."
            )
        highest = logits.topk(min(n_classes, logits.shape[1]), dim=1).values
        weights = 0.5 ** torch.arange(1, highest.shape[1] + 1, device=highest.device)
        (gradient,) = torch.autograd.grad((highest * weights).sum(), seen[0])
    maps = (gradient * seen[0].detach()).sum(dim=1, keepdim=True)
    maps = F.interpolate(maps.float(), images.shape[2:], mode="bilinear")[:, 0]
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), 0.0)
