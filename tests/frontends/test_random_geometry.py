"""Front ends that place or cut images at random: RandomResizePad and CropEnsemble."""

import pytest
import torch
import torch.nn.functional as F

from sparsefront.frontends import CropEnsemble, RandomResizePad


def found_boxes(placed):
    """Rows and columns (first, one past the last) that are not empty, of pictures (B, C, H, W) without zeros inside."""
    boxes = []
    for picture in placed.amax(dim=1):
        rows, columns = picture.amax(dim=1).nonzero().flatten(), picture.amax(dim=0).nonzero().flatten()
        boxes.append((rows[0].item(), rows[-1].item() + 1, columns[0].item(), columns[-1].item() + 1))
    return boxes


@pytest.mark.parametrize("shape", [(3, 20, 20), (1, 23, 14)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_each_image_is_itself_resized_and_placed_on_zeros(shape, interpolation):
    images = 0.1 + 0.9 * torch.rand(16, *shape)
    frontend = RandomResizePad(shape, smallest=0.5, interpolation=interpolation)
    placed = frontend(images)
    for image, out, (top, bottom, left, right) in zip(images, placed, found_boxes(placed), strict=True):
        height, width = bottom - top, right - left
        assert width == round(shape[2] * height / shape[1])
        if interpolation == "nearest":
            rows = [(2 * i + 1) * shape[1] // (2 * height) for i in range(height)]
            columns = [(2 * j + 1) * shape[2] // (2 * width) for j in range(width)]
            resized = image[:, rows][:, :, columns]
        else:
            resized = F.interpolate(image[None], size=(height, width), mode="bilinear", align_corners=False)[0]
        expected = F.pad(resized, (left, shape[2] - right, top, shape[1] - bottom))
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_all_sizes_and_all_places_come_up_equally_often():
    white = torch.ones(6000, 1, 8, 8)
    boxes = found_boxes(RandomResizePad((1, 8, 8), smallest=0.7)(white))
    heights = [bottom - top for top, bottom, _, _ in boxes]
    assert set(heights) == {6, 7, 8}  # 0.7 * 8 = 5.6 is the least
    for height in (6, 7, 8):
        assert heights.count(height) / len(heights) == pytest.approx(1 / 3, abs=0.03)
    places = [(top, left) for top, bottom, left, _ in boxes if bottom - top == 6]
    for place in ((row, column) for row in range(3) for column in range(3)):
        assert places.count(place) / len(places) == pytest.approx(1 / 9, abs=0.04)


def test_the_papers_ratio_gives_its_sizes_back():
    # 299 of 331: the paper draws from 299 to 330, here the frame's own size may come up too.
    frontend = RandomResizePad((1, 331, 331))
    assert frontend._least_height(331) == 299


@pytest.mark.parametrize("smallest", ["7/25", 0.28])
def test_a_share_that_makes_whole_pixels_is_not_rounded_up(smallest):
    # In floating point 0.28 * 25 is above 7.
    assert RandomResizePad((1, 25, 25), smallest=smallest)._least_height(25) == 7


def test_the_border_has_the_value_asked_for_and_a_whole_image_is_left_alone():
    placed = RandomResizePad((1, 10, 10), smallest=0.5, fill=0.5)(torch.ones(20, 1, 10, 10))
    assert set(placed.unique().tolist()) == {0.5, 1.0}
    whole = RandomResizePad((1, 10, 10), smallest=1)
    assert not whole.randomised
    images = torch.rand(2, 1, 10, 10)
    assert torch.equal(whole(images), images)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 17, 12)])
def test_each_copy_is_a_crop_rescaled(shape):
    """Every crop is found among all that there are; an image's copies lie side by side."""
    images = torch.rand(3, *shape)
    frontend = CropEnsemble(shape, n_crops=5, crop=0.5)
    height, width = round(0.5 * shape[1]), round(0.5 * shape[2])
    copies = frontend(images).unflatten(0, (3, 5))
    for image, crops in zip(images, copies, strict=True):
        cuts = image.unfold(1, height, 1).unfold(2, width, 1).flatten(1, 2).transpose(0, 1)
        candidates = F.interpolate(cuts, size=shape[1:], mode="bilinear", align_corners=False)
        distance = (crops[:, None] - candidates).abs().amax(dim=(2, 3, 4))
        assert (distance.min(dim=1).values < 1e-5).all()
        assert len(set(distance.argmin(dim=1).tolist())) > 1


def test_all_places_of_a_crop_come_up_equally_often():
    ramp = (torch.arange(4.0)[:, None] * 4 + torch.arange(4.0)).expand(1, 1, 4, 4) / 15
    crops = CropEnsemble((1, 4, 4), n_crops=4000, crop=0.25)(ramp)
    values, counts = (15 * crops[:, 0, 0, 0]).round().unique(return_counts=True)
    assert values.tolist() == list(range(16))
    assert (counts / 4000 - 1 / 16).abs().max() < 0.02


def test_the_papers_crops_are_90_of_224_pixels():
    frontend = CropEnsemble((3, 224, 224))
    assert frontend.n_copies == 30
    assert frontend._crop_size(224) == 90


def test_crops_of_the_whole_image_are_the_image():
    frontend = CropEnsemble((1, 6, 5), n_crops=2, crop=1)
    assert not frontend.randomised
    images = torch.rand(2, 1, 6, 5)
    torch.testing.assert_close(frontend(images), images.repeat_interleave(2, dim=0))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: RandomResizePad((1, 8, 8), smallest=0), "`smallest` must be above 0 and at most 1, found 0"),
        (lambda: RandomResizePad((1, 8, 8), smallest="331/299"), "at most 1, found 1.10702; 1 keeps the size"),
        (
            lambda: RandomResizePad((1, 8, 8), interpolation="area"),
            "`interpolation` must be one of nearest, bilinear, found 'area'",
        ),
        (lambda: RandomResizePad((1, 8, 8), fill=2.0), "`fill` must be from 0 to 1, found 2"),
        (lambda: CropEnsemble((1, 8, 8), n_crops=0), "`n_crops` must be at least 1, found 0"),
        (
            lambda: CropEnsemble((1, 8, 8), crop="0/224"),
            "`crop` must be above 0 and at most 1, found 0; 1 is the whole",
        ),
        (lambda: CropEnsemble((1, 8, 8), crop=1.5), "at most 1, found 1.5"),
    ],
)
def test_a_bad_setting_is_named(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
