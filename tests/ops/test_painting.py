import re

import pytest
import torch
import torch.nn.functional as F

from foregaze.errors import ShapeError
from foregaze.ops.painting import paint, prototypes, spread

B, C, P, Q, H, W = 2, 5, 6, 8, 84, 112
GRIDS = [(6, 8), (12, 16), (7, 9), (1, 1), (84, 112), (21, 5)]


@pytest.fixture
def features():
    return torch.randn(B, C, P, Q, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def segments():
    """Blobs of all sizes, with one of a single pixel."""
    coarse = torch.randint(0, 6, (B, 1, 9, 7), generator=torch.Generator().manual_seed(1))
    found = F.interpolate(coarse.double(), size=(H, W), mode="nearest")[:, 0].long()
    found[0, 17, 30] = 6
    return found


def plain_prototypes(features, segments):
    """The definition: the mean over a segment's pixels of the feature of each pixel's patch."""
    at_pixels = F.interpolate(features, size=(H, W), mode="nearest-exact")
    found = torch.zeros(B, int(segments.max()) + 1, C, dtype=features.dtype)
    for b in range(B):
        for k in segments[b].unique().tolist():
            found[b, k] = at_pixels[b][:, segments[b] == k].mean(1)
    return found


def plain_painting(features, segments, size):
    """The painted map at the image's size, interpolated."""
    v = plain_prototypes(features, segments)
    whole = torch.stack([v[b][segments[b]] for b in range(B)]).permute(0, 3, 1, 2)
    return F.interpolate(whole, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("size", GRIDS)
def test_painting_is_the_definition(features, segments, size):
    painted = paint(features, segments, size)
    torch.testing.assert_close(
        painted, plain_painting(features, segments, size), rtol=0, atol=1e-12
    )


def test_patches_need_not_be_whole_pixels(features):
    segments = torch.randint(0, 3, (B, 50, 61), generator=torch.Generator().manual_seed(2))
    at_pixels = F.interpolate(features, size=(50, 61), mode="nearest-exact")
    expected = at_pixels[1][:, segments[1] == 2].mean(1)
    torch.testing.assert_close(prototypes(features, segments)[1, 2], expected)


@pytest.mark.parametrize("size", GRIDS)
def test_new_ids_for_the_same_segments_change_nothing(features, segments, size):
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    painted = paint(features, segments, size)
    assert torch.equal(paint(features, order[segments], size), painted)


def test_one_segment_for_all_is_the_mean_feature(features):
    painted = paint(features, torch.full((B, H, W), 3), (5, 4))
    expected = features.mean((-2, -1))[:, :, None, None].expand(-1, -1, 5, 4)
    torch.testing.assert_close(painted, expected)


def test_a_segment_for_each_patch_is_the_feature_map(features):
    ids = torch.arange(P * Q).reshape(P, Q)
    segments = ids.repeat_interleave(H // P, 0).repeat_interleave(W // Q, 1).expand(B, -1, -1)
    torch.testing.assert_close(paint(features, segments, (P, Q)), features)


def test_a_segment_of_one_pixel_has_the_feature_of_its_patch(features, segments):
    patch = features[0, :, 17 * P // H, 30 * Q // W]
    torch.testing.assert_close(prototypes(features, segments)[0, 6], patch)


def test_ids_that_an_image_does_not_have_are_zero(features, segments):
    assert (prototypes(features, segments)[1, 6] == 0).all()


def test_images_of_a_batch_do_not_mix(features, segments):
    both = paint(features, segments, (6, 8))
    torch.testing.assert_close(both[1:], paint(features[1:], segments[1:], (6, 8)))


def test_no_gradient_passes(features, segments):
    features.requires_grad_()
    assert not paint(features, segments, (6, 8)).requires_grad
    assert not spread(prototypes(features, segments), segments, (6, 8)).requires_grad


def test_negative_ids_are_refused(features, segments):
    segments[1, 0, 0] = -2
    with pytest.raises(ShapeError, match=r"^a segment has the id -2, expected 0 or more$"):
        paint(features, segments, (6, 8))


def test_segments_coarser_than_patches_are_refused(features):
    message = re.escape("segments of 84x4 pixels are coarser than their 6x8 patches")
    with pytest.raises(ShapeError, match=f"^{message}$"):
        paint(features, torch.zeros(B, H, 4, dtype=torch.long), (6, 8))
