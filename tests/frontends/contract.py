"""What every front end must do; a new one's test calls these."""

import torch

from frontends import FrontEnd


def assert_keeps_the_contract(frontend: FrontEnd, images: torch.Tensor) -> None:
    frontend.eval()
    out = frontend(images)
    assert out.shape[:2] == (len(images), frontend.out_channels)
    assert frontend.returns_images == (out.shape == images.shape)
    if frontend.returns_images:
        assert out.min() >= 0
        assert out.max() <= 1
    assert_no_dependence_on_batch_mates(frontend, images)
    assert_every_backward_mode_has_the_deployed_value(frontend, images)
    assert_checkpoint_round_trip(frontend, images)


def assert_no_dependence_on_batch_mates(frontend: FrontEnd, images: torch.Tensor) -> None:
    apart = torch.cat([frontend(image[None]) for image in images])
    torch.testing.assert_close(frontend(images), apart, atol=1e-5, rtol=1e-5)


def assert_every_backward_mode_has_the_deployed_value(frontend: FrontEnd, images: torch.Tensor) -> None:
    with torch.no_grad():
        deployed = frontend(images)
    assert frontend.default_backward in frontend.backward_modes()
    for name in frontend.backward_modes():
        x = images.clone().requires_grad_()
        out = frontend.stand_in(name)(x)
        assert torch.equal(out.detach(), deployed), name
        (gradient,) = torch.autograd.grad(out.sum(), x)
        assert gradient.shape == x.shape
        assert gradient.isfinite().all()


def assert_checkpoint_round_trip(frontend: FrontEnd, images: torch.Tensor) -> None:
    before = frontend(images).detach()
    state = {name: tensor.clone() for name, tensor in frontend.state_dict().items()}
    with torch.no_grad():
        for tensor in frontend.state_dict().values():
            tensor.zero_()
    frontend.load_state_dict(state)
    assert torch.equal(frontend(images), before)
