import shutil

import pytest

from foregaze.backbones.staged import create_backbone
from foregaze.data import load_dataset
from foregaze.models.trunk_mixture import BranchConfig, Trunk, TrunkMixtureConfig
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig
from foregaze.training.stored_features import StoredFeatures

IMAGES = 12


@pytest.fixture(scope="session")
def small_osie(osie_root, tmp_path_factory):
    """OSIE with its first images only; the fixation table stays whole, as the loader allows."""
    root = tmp_path_factory.mktemp("osie")
    for folder in ("stimuli", "mouse_lab"):
        (root / folder).mkdir()
        for path in sorted((osie_root / folder).iterdir())[:IMAGES]:
            shutil.copy(path, root / folder)
    shutil.copytree(osie_root / "eye", root / "eye")
    return root


@pytest.fixture(scope="session")
def config():
    """Of a trunk with random weights."""
    return TrunkMixtureConfig(
        backbone="tf_efficientnet_lite0",
        backbone_weights="random:0",
        input_size=(96, 128),
        branches=(BranchConfig(tuned_from=6, taps=(2, 4, 6)),),
    )


@pytest.fixture(scope="session")
def dataset(osie_root):
    """Six of OSIE's images."""
    return load_dataset("osie", osie_root).subset(range(6))


@pytest.fixture(scope="session")
def trunk(config):
    return Trunk(config, create_backbone(config.backbone, config.resolved_weights)).eval()


@pytest.fixture
def features(config, dataset, trunk, osie_root, tmp_path):
    """Stored features of the first three images, plain and mirrored."""
    data = DataConfig(root=osie_root)
    stored = StoredFeatures(config, config.trunk_outputs, dataset, data, tmp_path / "store")
    for image in range(3):
        stored.fill(View(image, mirrored=False), trunk)
        stored.fill(View(image, mirrored=True), trunk)
    yield stored
    stored.store.close()
