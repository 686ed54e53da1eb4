from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that predicts in a moment, from random weights; see its card.

    Imports are inside, so that tests without it do not wait for torch.
    """
    import torch

    from foregaze.models.checkpoint import save_checkpoint
    from foregaze.models.trunk_mixture import (
        BranchConfig,
        TrunkMixture,
        TrunkMixtureConfig,
        grid_size,
    )
    from foregaze.ops.logdensity import normalize

    config = TrunkMixtureConfig(
        backbone="tf_efficientnet_lite0",
        backbone_weights="random:0",
        input_size=(96, 128),
        branches=(BranchConfig(tuned_from=5, taps=(2, 4, 5), readout=(8, 4)),),
    )
    height, width = grid_size(config, config.input_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = TrunkMixture(config).eval()
    rows = torch.linspace(-2, 2, height)[:, None]
    columns = torch.linspace(-2, 2, width)
    model.centerbias.copy_(normalize(-(rows**2 + columns**2) / 2))
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(model, path, card={"dataset": "osie", "images": ["1001.jpg", "1002.jpg"]})
    return path


@pytest.fixture(scope="session")
def scanpath_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scanpath mixture on that checkpoint, with an ONNX graph; see `toy_scanpath.py`."""
    from tests.inference.toy_scanpath import save_toy_scanpath

    path = tmp_path_factory.mktemp("scanpath") / "scanpath.safetensors"
    return save_toy_scanpath(path, tiny_checkpoint, with_graph=True)


@pytest.fixture(scope="session")
def osie_root() -> Path:
    """OSIE beside the checkout: it is always there, so a test without it fails."""
    root = Path(__file__).parents[2] / "shared" / "osie"
    assert (root / "stimuli").is_dir(), f"{root}: OSIE is missing, and tests need it"
    return root
