import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foregaze.errors import ShapeError
from foregaze.ops.cells import cell_of_pixels
from foregaze.ops.painting import SegmentLayout, batched, lay_out, paint, prototypes

C, P, Q, H, W = 5, 6, 8, 84, 112
PATCHES = (P, Q)
GRIDS = [(6, 8), (12, 16), (7, 9), (1, 1), (84, 112), (21, 5), (100, 130)]


@pytest.fixture
def features() -> Tensor:
    """Of two images."""
    return torch.randn(2, C, P, Q, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def blobs(seed: int, most: int, size: tuple[int, int] = (H, W)) -> Tensor:
    """Rectangles of all sizes, and one segment of a single pixel."""
    coarse = torch.randint(0, most, (9, 7), generator=torch.Generator().manual_seed(seed))
    rows, columns = (torch.arange(n) * m // n for n, m in zip(size, coarse.shape, strict=True))
    found = coarse[rows[:, None], columns].clone()
    found[17, 30] = most
    return found


@pytest.fixture
def segments() -> list[Tensor]:
    """Seven segments in the one image, four in the other."""
    return [blobs(1, 6), blobs(2, 3)]


def layout_of(segments: list[Tensor], cells: tuple[int, int] = PATCHES) -> SegmentLayout:
    return batched([lay_out(ids, PATCHES, cells) for ids in segments])


def plain_mean(features: Tensor, ids: Tensor, k: int) -> Tensor:
    """The definition: the mean over a segment's pixels of the feature of each pixel's patch."""
    rows, columns = (
        torch.from_numpy(cell_of_pixels(n, m))
        for n, m in zip(ids.shape, features.shape[1:], strict=True)
    )
    at_pixels = features[:, rows[:, None], columns]
    return at_pixels[:, ids == k].mean(1)


def plain_painting(features: Tensor, ids: Tensor, cells: tuple[int, int]) -> Tensor:
    """The painted map at the image's size, interpolated."""
    table = torch.stack([plain_mean(features, ids, k) for k in range(int(ids.max()) + 1)])
    whole = table[ids].permute(2, 0, 1)[None]
    return F.interpolate(whole, size=cells, mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize("cells", GRIDS)
def test_painting_is_the_definition_at_the_images_size(features, segments, cells):
    painted = paint(features, layout_of(segments, cells))
    expected = [plain_painting(x, ids, cells) for x, ids in zip(features, segments, strict=True)]
    torch.testing.assert_close(painted, torch.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(50, 61), (61, 84), (6, 8), (7, 113)])
def test_patches_need_not_be_whole_pixels(features, size):
    ids = torch.randint(0, 3, size, generator=torch.Generator().manual_seed(2))
    found = paint(features[:1], layout_of([ids], (5, 9)))[0]
    torch.testing.assert_close(found, plain_painting(features[0], ids, (5, 9)), rtol=0, atol=1e-12)


def test_prototypes_are_means_over_pixels(features, segments):
    found = prototypes(features, layout_of([torch.arange(H * W).reshape(H, W) // 3000] * 2))
    expected = plain_mean(features[1], torch.arange(H * W).reshape(H, W) // 3000, 2)
    torch.testing.assert_close(found[1, 2], expected)


@pytest.mark.parametrize("cells", GRIDS)
def test_new_ids_for_the_same_segments_change_no_bit(features, segments, cells):
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    renamed = layout_of([order[ids] for ids in segments], cells)
    given = layout_of(segments, cells)
    assert torch.equal(renamed.areas, given.areas)
    assert torch.equal(renamed.shares, given.shares)
    for x in (features, features.float()):
        assert torch.equal(paint(x, renamed.matching(x)), paint(x, given.matching(x)))


def test_areas_of_a_segment_and_shares_of_a_cell_sum_to_one(segments):
    layout = layout_of(segments, (7, 9))
    torch.testing.assert_close(layout.shares.sum(1), torch.ones(2, 7, 9, dtype=torch.float64))
    sums = layout.areas.sum((-2, -1))
    torch.testing.assert_close(sums[0], torch.ones(7, dtype=torch.float64))
    assert sums[1].tolist() == pytest.approx([1, 1, 1, 1, 0, 0, 0])


def test_ids_are_those_of_the_pixels_at_the_cells_centers():
    ids = torch.arange(H * W).reshape(H, W) % 250
    found = lay_out(ids, PATCHES, (4, 16)).ids
    assert found.dtype == torch.long
    assert torch.equal(found, ids[10::21, 3::7])


def test_one_segment_for_all_is_the_mean_feature(features):
    painted = paint(features, layout_of([torch.full((H, W), 3)] * 2, (5, 4)))
    expected = features.mean((-2, -1))[:, :, None, None].expand(-1, -1, 5, 4)
    torch.testing.assert_close(painted, expected)


def test_a_segment_for_each_patch_is_the_feature_map(features):
    patches = torch.arange(P * Q).reshape(P, Q)
    ids = patches.repeat_interleave(H // P, 0).repeat_interleave(W // Q, 1)
    torch.testing.assert_close(paint(features, layout_of([ids, ids])), features)


def test_a_segment_of_one_pixel_has_the_feature_of_its_patch(features, segments):
    place = list(dict.fromkeys(segments[0].flatten().tolist())).index(6)  # in order of appearance
    patch = features[0, :, 17 * P // H, 30 * Q // W]
    torch.testing.assert_close(prototypes(features, layout_of(segments))[0, place], patch)


def test_images_with_different_numbers_of_segments_do_not_mix(features, segments):
    both = paint(features, layout_of(segments, (7, 9)))
    for number, ids in enumerate(segments):
        alone = paint(features[number, None], layout_of([ids], (7, 9)))
        torch.testing.assert_close(both[number, None], alone, rtol=0, atol=1e-14)


def test_segments_that_an_image_does_not_have_are_zero(features, segments):
    assert (prototypes(features, layout_of(segments))[1, 4:] == 0).all()


@pytest.mark.parametrize("cells", [(12, 16), (28, 16), (5, 9)])
def test_mirrored_segments_have_the_mirrored_layout(cells):
    ids = blobs(4, 5, (H, W))
    given, mirrored = (lay_out(x, PATCHES, cells) for x in (ids, ids.flip(-1)))
    order, order_mirrored = (list(dict.fromkeys(x.flatten().tolist())) for x in (ids, ids.flip(-1)))
    same = [order.index(k) for k in order_mirrored]  # segments are numbered as they appear
    assert torch.equal(mirrored.areas.flip(-1), given.areas[same])
    torch.testing.assert_close(mirrored.shares.flip(-1), given.shares[same], rtol=0, atol=1e-14)
    if (H // cells[0]) % 2 and (W // cells[1]) % 2:  # else a center lies between pixels
        assert torch.equal(mirrored.ids.flip(-1), given.ids)


def test_painting_mirrored_features_and_segments_is_painting_mirrored(features, segments):
    given = paint(features, layout_of(segments, (7, 9)))
    mirrored = paint(features.flip(-1), layout_of([ids.flip(-1) for ids in segments], (7, 9)))
    torch.testing.assert_close(mirrored.flip(-1), given, rtol=0, atol=1e-13)


def test_a_layout_takes_on_the_precision_of_features(features, segments):
    layout = layout_of(segments).matching(features.float())
    assert [x.dtype for x in layout] == [torch.float32, torch.float32, torch.long]
    exact = paint(features, layout_of(segments))
    torch.testing.assert_close(paint(features.float(), layout).double(), exact, rtol=0, atol=1e-6)


def test_any_whole_numbers_are_ids(features, segments):
    given = layout_of(segments)
    for dtype in (torch.int8, torch.int16, torch.int32):
        again = layout_of([ids.to(dtype) for ids in segments])
        assert all(torch.equal(x, y) for x, y in zip(again, given, strict=True))


def test_no_gradient_passes(features, segments):
    features.requires_grad_()
    assert not paint(features, layout_of(segments)).requires_grad
    assert not prototypes(features, layout_of(segments)).requires_grad


def test_negative_ids_are_refused(segments):
    segments[1][0, 0] = -2
    with pytest.raises(ShapeError, match=r"^a segment has the id -2, expected 0 or more$"):
        lay_out(segments[1], PATCHES, (6, 8))


@pytest.mark.parametrize("size", [(84, 4), (5, 112)])
def test_segments_coarser_than_patches_are_refused(size):
    message = re.escape(f"segments of {size[0]}x{size[1]} pixels are coarser than their 6x8 patch")
    with pytest.raises(ShapeError, match=f"^{message}es$"):
        lay_out(torch.zeros(size, dtype=torch.long), PATCHES, (6, 8))


def test_segments_of_numpy_are_laid_out_where_they_lie(segments):
    ids = segments[0].numpy().astype(np.int32)
    given = ids.copy()
    lay_out(torch.from_numpy(ids), PATCHES, (7, 9))
    np.testing.assert_array_equal(ids, given)
