import torch

from sparsefront.frontends.parts.previous_codes import PreviousCodes


def batch(n=5, seed=0):
    images = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return images, torch.arange(n) % 2, torch.arange(1.0, n + 1).view(-1, 1, 1, 1).expand(-1, 2, 4, 4).clone()


def kept(radius=8 / 255):
    images, groups, codes = batch()
    memory = PreviousCodes(radius)
    memory.keep(images, groups, codes.to_sparse())
    return memory, images, groups, codes


def test_nothing_is_near_before_the_first_call():
    images, groups, _ = batch()
    memory = PreviousCodes()
    assert memory.match(images, groups).tolist() == [-1] * 5
    assert memory.codes(memory.match(images, groups)) is None


def test_an_image_finds_itself_wherever_it_is_in_the_next_batch():
    memory, images, groups, codes = kept()
    order = torch.tensor([3, 0, 4])
    rows = memory.match((images + 2 / 255)[order], groups[order])
    assert rows.tolist() == [3, 0, 4]
    assert torch.equal(memory.codes(rows), codes[order])


def test_an_image_far_away_or_of_another_group_starts_from_zeros():
    memory, images, groups, _ = kept()
    rows = memory.match(torch.cat([images[:2], images[2:] + 0.1]), groups.clone().fill_(0))
    assert rows.tolist() == [0, -1, -1, -1, -1]
    assert memory.codes(rows)[1:].count_nonzero() == 0
    assert memory.codes(rows[1:]) is None
    assert kept(radius=0.11)[0].match(images + 0.1, groups).tolist() == [0, 1, 2, 3, 4]


def test_other_sizes_and_dtypes_start_from_zeros():
    memory, images, groups, _ = kept()
    assert (memory.match(images[..., :3], groups) == -1).all()
    assert (memory.match(images.half(), groups) == -1).all()
    assert memory.match(images[:0], groups[:0]).shape == (0,)
