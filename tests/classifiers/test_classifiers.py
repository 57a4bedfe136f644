import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file
from torch.nn import functional as F
from torchvision.transforms.functional import resize

from sparsefront.classifiers import CIFARResNet, ConvNet, ResNet32, Timm
from tests.helpers.places import CONFIGS
from tests.helpers.precision import placed

TINY = "test_resnet"
# A builder of (channels, classes) each; a new classifier of images is a row.
BUILDERS = {
    "ConvNet": ConvNet,
    "CIFARResNet": CIFARResNet,
    "ResNet32": ResNet32,
    "Timm": lambda c, k, **settings: Timm(c, k, TINY, **settings),
}
NORMALISING = pytest.mark.parametrize(
    "build", [BUILDERS[name] for name in ("CIFARResNet", "ResNet32", "Timm")], ids=["CIFARResNet", "ResNet32", "Timm"]
)


@pytest.mark.cuda
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 33, 47), (20, 15, 15)])
def test_logits_have_their_shape_each_image_its_own_and_a_gradient_reaches_the_pixels(build, shape):
    model = placed(build(shape[0], 7)).eval()
    images = placed(torch.rand(3, *shape)).requires_grad_()
    logits = model(images)
    assert logits.shape == (3, 7)
    torch.testing.assert_close(torch.cat([model(image[None]) for image in images]), logits, atol=1e-4, rtol=1e-4)
    (gradient,) = torch.autograd.grad(logits.sum(), images)
    assert gradient.flatten(1).any(dim=1).all()


@NORMALISING
def test_normalisation_is_inside(build):
    """Halving the pixels' mean and deviation with the settings changes nothing."""
    torch.manual_seed(0)
    one = build(3, 4, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4]).eval()
    other = build(3, 4, mean=[0.2, 0.25, 0.3], std=[0.1, 0.15, 0.2]).eval()
    other.load_state_dict(one.state_dict())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(other(images / 2), one(images), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(one(images / 2), one(images))


def test_resnet32_has_the_weights_of_three_stages_of_five_units():
    def convolution(inputs, outputs):
        return 9 * inputs * outputs

    expected = convolution(3, 16) + 2 * 64 + 64 * 10 + 10
    for inputs, outputs in [*[(16, 16)] * 5, (16, 32), *[(32, 32)] * 4, (32, 64), *[(64, 64)] * 4]:
        expected += convolution(inputs, outputs) + convolution(outputs, outputs) + 2 * inputs + 2 * outputs
    assert sum(parameter.numel() for parameter in ResNet32(3, 10).parameters()) == expected


def reference_resnet32(weights, images):
    """Paper 001's network from its published tensors, written anew as plain functions of them."""

    def norm(name, maps):
        tensors = [weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(maps, *tensors, eps=1e-5)

    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2471, 0.2435, 0.2616])
    maps = F.conv2d((images - mean.view(3, 1, 1)) / std.view(3, 1, 1), weights["conv1.weight"], padding=1)
    for stage in (1, 2, 3):
        for unit in range(5):
            name = f"block{stage}.{unit}"
            active = F.leaky_relu(norm(f"{name}.bn1", maps), 0.1)
            shortcut, branch, stride = maps, active, 1
            if (stage, unit) == (1, 0):
                shortcut, branch = active, maps
            if stage > 1 and unit == 0:
                stride = 2
                pooled = F.avg_pool2d(maps, 2)
                quarter = torch.zeros_like(pooled)[:, : pooled.shape[1] // 2]
                shortcut = torch.cat([quarter, pooled, quarter], dim=1)
            branch = F.conv2d(branch, weights[f"{name}.conv1.weight"], stride=stride, padding=1)
            branch = F.leaky_relu(norm(f"{name}.bn2", branch), 0.1)
            maps = shortcut + F.conv2d(branch, weights[f"{name}.conv2.weight"], padding=1)
    pooled = F.leaky_relu(norm("bn1", maps), 0.1).mean(dim=(2, 3))
    return pooled @ weights["linear.weight"].T + weights["linear.bias"]


def test_resnet32_computes_what_the_published_network_computes():
    torch.manual_seed(0)
    model = ResNet32(3, 10)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and "conv" not in name:
            tensor.copy_(0.5 + torch.rand_like(tensor))  # batch norms that do something
    images = torch.rand(4, 3, 32, 32)
    expected = reference_resnet32(model.state_dict(), images)
    torch.testing.assert_close(model.eval()(images), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_a_cifar_resnet_has_as_many_parameters_as_he_et_al_say(depth, millions):
    count = sum(parameter.numel() for parameter in CIFARResNet(3, 10, depth).parameters()) / 1e6
    assert round(count, 1 if millions > 1 else 2) == millions


def reference_cifar_resnet(weights, images, blocks):
    """The published network, written out from He et al. 2016: convolutions, norms, sums and ReLUs by name."""

    def norm(name, maps):
        mean, var, gain, bias = (
            weights[f"{name}.{key}"][None, :, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return gain * (maps - mean) / (var + 1e-5).sqrt() + bias

    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).double()[..., None, None]
    maps = norm("bn1", F.conv2d((images - mean) / std, weights["conv1.weight"], padding=1)).clamp_min(0)
    for stage in (1, 2, 3):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            inner = norm(f"{name}.bn1", F.conv2d(maps, weights[f"{name}.conv1.weight"], None, stride, 1))
            inner = F.conv2d(inner.clamp_min(0), weights[f"{name}.conv2.weight"], padding=1)
            inner = norm(f"{name}.bn2", inner)
            shortcut = torch.zeros_like(inner)
            extra = (inner.shape[1] - maps.shape[1]) // 2
            shortcut[:, extra : extra + maps.shape[1]] = maps[:, :, ::stride, ::stride]
            maps = (inner + shortcut).clamp_min(0)
    return maps.mean(dim=(2, 3)) @ weights["linear.weight"].T + weights["linear.bias"]


def test_a_cifar_resnet_computes_what_the_published_network_computes():
    torch.manual_seed(0)
    model = CIFARResNet(3, 10, depth=14).double()
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    images = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        expected = reference_cifar_resnet(model.state_dict(), images, blocks=2)
        assert torch.allclose(model.eval()(images), expected, atol=1e-10)


@pytest.mark.parametrize("depth", [2, 7, 18, 51])
def test_a_depth_that_cannot_be_is_named(depth):
    with pytest.raises(ValueError, match=rf"`depth` must be 6 n \+ 2 .* found {depth}"):
        CIFARResNet(3, 10, depth)


def test_timm_computes_what_timm_computes_on_normalised_pixels():
    torch.manual_seed(0)
    ours = Timm(3, 6, TINY).eval()
    theirs = timm.create_model(TINY, num_classes=6).eval()
    theirs.load_state_dict(ours.model.state_dict())
    images = torch.rand(2, 3, 64, 64)
    config = theirs.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(ours(images), theirs((images - mean) / std))


def test_the_cifar_stem_keeps_the_resolution():
    with pytest.raises(ValueError, match="`cifar_stem` fits"):
        Timm(3, 5, "resnet10t", cifar_stem=True)  # its stem has three convolutions
    with pytest.raises(ValueError, match="`cifar_stem` fits"):
        Timm(3, 5, "test_vit", cifar_stem=True)
    plain, shrunk = Timm(3, 5, "resnet18").eval(), Timm(3, 5, "resnet18", cifar_stem=True).eval()
    images = torch.rand(1, 3, 32, 32)
    assert plain.model.forward_features(images).shape[-2:] == (1, 1)
    assert shrunk.model.forward_features(images).shape[-2:] == (4, 4)


def test_images_are_resized_before_the_network_and_gradients_go_through():
    torch.manual_seed(0)
    resized, plain = Timm(3, 5, TINY, resize=48).eval(), Timm(3, 5, TINY).eval()
    plain.load_state_dict(resized.state_dict())
    for side in (20, 48, 100):
        images = torch.rand(2, 3, side, side)
        expected = plain(resize(images, [48, 48], antialias=True))
        torch.testing.assert_close(resized(images), expected, atol=1e-5, rtol=1e-4)
    pixels, direction = torch.rand(2, 1, 3, 9, 9, dtype=torch.float64)
    pixels.requires_grad_(True)
    resized.double()
    (gradient,) = torch.autograd.grad(resized(pixels)[0, 0], pixels)
    slope = (resized(pixels + 1e-6 * direction) - resized(pixels - 1e-6 * direction))[0, 0] / 2e-6
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_an_inception_reads_64_pixels_once_they_are_resized():
    model = Timm(3, 2, "inception_v3")
    with pytest.raises(RuntimeError):
        model(torch.rand(2, 3, 64, 64))
    model.resize = 75
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 2)  # no second head in training


EXPERIMENTS = sorted((CONFIGS / "experiments").glob("faces_*.yaml"))
FACES = [path for path in EXPERIMENTS if path.stem != "faces_dsc"]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", FACES, ids=lambda path: path.stem)
def test_each_network_of_the_faces_trains_at_64_pixels(experiment):
    settings_ = yaml.safe_load(experiment.read_text())["model"]["classifier"]["init_args"]
    model = Timm(3, 2, **{**settings_, "pretrained": False})
    loss = F.cross_entropy(model(torch.rand(2, 3, 64, 64)), torch.tensor([0, 1]))
    loss.backward()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())


def test_weights_that_cannot_be_downloaded_are_explained_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    message = "`pretrained` must be false or a file where timm's weights of 'mobilenetv2_100' cannot be had, found true"
    with pytest.raises(ValueError, match=message):
        Timm(3, 2, "mobilenetv2_100", pretrained=True)


def test_a_network_without_published_weights_is_explained_likewise():
    with pytest.raises(ValueError, match=r"`pretrained` must be false or .* 'cspresnet50d' cannot be had"):
        Timm(3, 2, "cspresnet50d", pretrained=True)


def file_of(folder, name=TINY, classes=1000):
    model, path = timm.create_model(name, num_classes=classes), folder / f"{name}.safetensors"
    save_file(model.state_dict(), path)
    return model, str(path)


@pytest.mark.parametrize("channels", [3, 1])
def test_pretrained_weights_can_come_from_a_file_and_the_head_is_new(tmp_path, channels):
    theirs, path = file_of(tmp_path)
    ours = Timm(channels, 5, TINY, pretrained=path).model
    given, found = theirs.state_dict(), ours.state_dict()
    assert given.keys() == found.keys()
    different = {name for name in found if not torch.equal(given[name], found[name])}
    stem = set() if channels == 3 else {"conv1.0.weight"}  # what reads three channels is summed for one
    assert different == {"fc.weight", "fc.bias"} | stem
    assert found["fc.weight"].shape == (5, given["fc.weight"].shape[1])
    whole = Timm(3, 1000, TINY, pretrained=path).model.state_dict()
    assert all(torch.equal(given[name], whole[name]) for name in given)


@pytest.mark.parametrize(("name", "classes"), [("test_vit", 1000), ("test_efficientnet", 1000), (TINY, 7)])
def test_a_file_of_another_networks_pretrained_weights_is_refused(tmp_path, name, classes):
    _, path = file_of(tmp_path, name, classes)
    # A head of other classes fits as long as it is replaced.
    wanted = 1000 if name == TINY else 5
    message = (
        f"`pretrained` must be true, false or a file of weights of '{TINY}', found those of another.*{name}.*choose"
    )
    with pytest.raises(ValueError, match=message):
        Timm(3, wanted, TINY, pretrained=path)


def test_no_file_and_a_file_of_something_else_are_no_pretrained_weights(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`pretrained` must name a file of weights, found none at no\.pt; check"
    ):
        Timm(3, 5, TINY, pretrained="no.pt")
    for name in ("weights.safetensors", "weights.pt"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ValueError, match=f"`pretrained` must name a file of tensors by name, .*{name}"):
            Timm(3, 5, TINY, pretrained=str(tmp_path / name))


def test_an_unknown_model_name_is_answered_with_its_neighbours():
    with pytest.raises(ValueError, match=r"found 'resnet181'; near it are .*resnet18"):
        Timm(3, 10, "resnet181")


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"mean": [0.5]}, "`mean` must have one number for each of 3 channels"),
        ({"std": [0.5, 0.5, 0.0]}, "`std` must be positive"),
    ],
)
def test_a_normalisation_that_cannot_be_is_named(settings_, message):
    with pytest.raises(ValueError, match=message):
        ResNet32(3, 10, **settings_)


@NORMALISING
def test_images_of_another_channel_count_are_refused_where_broadcasting_would_let_them_pass(build):
    with pytest.raises(ValueError, match=r"`images` must have shape \(B, 3, H, W\), found \(2, 1, 32, 32\)"):
        build(3, 4)(torch.rand(2, 1, 32, 32))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"model_name": "resnet18.a1_in1"}, r"found 'resnet18\.a1_in1'; near it are resnet18\.a1_in1k"),
        ({"model_name": TINY, "img_size": 32}, "`img_size` fits models of a fixed input size"),
        ({"model_name": TINY, "drop_rate": 1.5}, "`drop_rate` must be from 0 to 1, found 1.5"),
        ({"model_name": TINY, "resize": 0}, "`resize` must be at least 1 pixel, found 0"),
        ({"model_name": TINY, "mean": []}, "`mean` must have one number for each of 3 channels"),
    ],
)
def test_a_setting_that_a_timm_model_cannot_have_is_named(settings_, message):
    with pytest.raises(ValueError, match=message):
        Timm(3, 10, **settings_)
