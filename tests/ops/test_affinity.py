import numpy as np
import pytest
import torch

from foregaze.ops.affinity import affinity


def test_a_patch_is_like_itself_and_like_others_of_its_direction():
    features = np.zeros((2, 1, 4), np.float32)
    features[:, 0] = np.array([[3, 4], [6, 8], [-3, -4], [-4, 3]]).T
    np.testing.assert_allclose(affinity(features, 0, 0), [[1, 1, -1, 0]], atol=1e-7)


def test_it_is_pytorchs_cosine_similarity():
    features = np.random.default_rng(0).normal(size=(16, 5, 7)).astype(np.float32)
    tensor = torch.from_numpy(features).double()
    expected = torch.cosine_similarity(tensor, tensor[:, 3, 2, None, None], dim=0)
    np.testing.assert_allclose(affinity(features, 3, 2), expected.numpy(), atol=1e-12)


@pytest.mark.parametrize("place", [(0, 0), (0, 1)])
def test_features_without_a_direction_are_like_nothing(place):
    features = np.zeros((3, 1, 2), np.float32)
    features[:, 0, 1] = 2
    found = affinity(features, *place)
    assert found[0, 0] == 0
    assert found[0, 1] == pytest.approx(place[1])
