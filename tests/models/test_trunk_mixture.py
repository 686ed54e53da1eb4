import math

import pytest
import torch
import torch.nn.functional as F

from foregaze.errors import ConfigError
from foregaze.models.trunk_mixture import (
    BranchConfig,
    TrunkMixture,
    TrunkMixtureConfig,
    grid_size,
    working_size,
)

FROZEN = BranchConfig(tuned_from=7, readout=(6, 4))
TUNED = BranchConfig(tuned_from=5, readout=(6, 4))


def toy_config(*branches: BranchConfig) -> TrunkMixtureConfig:
    return TrunkMixtureConfig(
        backbone="tf_efficientnet_lite0",
        backbone_weights="random:0",
        input_size=(64, 96),
        branches=branches or (FROZEN, TUNED),
    )


def toy_model(config: TrunkMixtureConfig | None = None, seed: int = 0) -> TrunkMixture:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = TrunkMixture(config or toy_config()).eval().double()
        for branch in model.branches:
            torch.nn.init.normal_(branch.conv2.weight)
    return model


def toy_inputs(model: TrunkMixture, size: tuple[int, int] = (64, 96), batch: int = 1):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(batch, 3, *size, generator=generator, dtype=torch.float64) * 255
    centerbias = torch.randn(
        batch, *grid_size(model.config, size), generator=generator, dtype=torch.float64
    )
    return pixels, centerbias.log_softmax(-1) - math.log(centerbias.shape[-2])


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (32, 32), (32, 160)])
def test_density_sums_to_one(size):
    model = toy_model()
    log_density = model(*toy_inputs(model, size, batch=2))
    assert log_density.shape == (2, *grid_size(model.config, size))
    assert log_density.exp().sum((-2, -1)).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)


def test_mixture_is_the_mean_of_its_branches_densities():
    model = toy_model()
    pixels, centerbias = toy_inputs(model)
    features = model.trunk(pixels)
    densities = [branch(features, centerbias).exp() for branch in model.branches]
    assert (densities[0] - densities[1]).abs().max() > 1e-5
    torch.testing.assert_close(model(pixels, centerbias).exp(), sum(densities) / 2)


def test_branches_share_one_pass_of_the_frozen_stages():
    model = toy_model(toy_config(TUNED, TUNED, TUNED, FROZEN))
    passes = []
    for stage in model.trunk.stages:
        stage.register_forward_hook(lambda *_: passes.append(1))
    model(*toy_inputs(model))
    assert len(passes) == len(model.trunk.stages) == 7


def test_images_of_a_batch_do_not_mix():
    model = toy_model()
    pixels, centerbias = toy_inputs(model, batch=2)
    together = model(pixels, centerbias)
    alone = model(pixels[1:], centerbias[1:])
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-10)


def plain_readout(branch, taps):
    """The readout as the formula has it: everything at the finest grid, concatenated first."""
    size = taps[0].shape[-2:]
    norms = zip(taps, branch.norm0, strict=True)
    full = [F.interpolate(n(t), size=size, mode="bilinear", align_corners=False) for t, n in norms]
    kernel = torch.cat([conv.weight for conv in branch.conv0], dim=1)
    x = F.softplus(F.conv2d(torch.cat(full, dim=1), kernel) + branch.bias0)
    for norm, conv, last in (
        (branch.norm1, branch.conv1, False),
        (branch.norm2, branch.conv2, True),
    ):
        mean = x.mean((1, 2, 3), keepdim=True)
        variance = x.var((1, 2, 3), keepdim=True, unbiased=False)
        x = (x - mean) / (variance + 1e-5).sqrt() * norm.weight.view(-1, 1, 1)
        x = conv(x + norm.bias.view(-1, 1, 1))
        x = x if last else F.softplus(x)
    return x


def test_readout_at_native_grids_equals_the_plain_one():
    model = toy_model()
    pixels, _ = toy_inputs(model)
    branch = model.branches[1]
    taps = branch.tapped(model.trunk(pixels))
    torch.testing.assert_close(branch.readout(taps), plain_readout(branch, taps))


def test_an_untrained_tuned_branch_equals_a_frozen_one():
    model = toy_model()
    frozen, tuned = model.branches
    shared = {k: v for k, v in tuned.state_dict().items() if not k.startswith("stages.")}
    frozen.load_state_dict(shared)
    pixels, centerbias = toy_inputs(model)
    features = model.trunk(pixels)
    torch.testing.assert_close(frozen(features, centerbias), tuned(features, centerbias))


def test_training_changes_a_branch_and_leaves_trunk_and_statistics():
    model = toy_model().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1)
    (-model(*toy_inputs(model))[0, 3, 4]).backward()
    optimizer.step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert any(k.startswith("branches.1.stages.6") for k in changed)
    assert {"branches.0.log_sigma", "branches.0.centerbias_weight"} <= changed
    assert not any(k.startswith("trunk.") or "running_" in k for k in changed)


def test_without_weight_the_center_bias_does_not_matter_and_alone_it_is_the_prediction():
    model = toy_model(toy_config(FROZEN))
    pixels, centerbias = toy_inputs(model)
    with torch.no_grad():
        model.branches[0].conv2.weight.zero_()
        torch.testing.assert_close(model(pixels, centerbias), centerbias)
        model.branches[0].centerbias_weight.zero_()
        uniform = torch.full_like(centerbias, -math.log(centerbias[0].numel()))
        torch.testing.assert_close(model(pixels, centerbias), uniform)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((600, 800), (576, 768)),
        ((800, 600), (768, 576)),
        ((60, 80), (576, 768)),
        ((1000, 1000), (672, 672)),
        ((1, 1), (672, 672)),
        ((1080, 1920), (512, 896)),
        ((1, 10_000), (32, 2656)),
    ],
)
def test_working_size_keeps_area_and_aspect_ratio(size, expected):
    assert working_size(TrunkMixtureConfig(input_size=(576, 768)), size) == expected


def test_trunk_keeps_only_what_branches_need():
    assert toy_config(FROZEN).trunk_outputs == (2, 3, 4, 5, 6)
    assert toy_config(BranchConfig(tuned_from=3, taps=(2, 6))).trunk_outputs == (2,)
    assert toy_config(BranchConfig(tuned_from=0)).trunk_outputs == (-1,)
    assert len(toy_model(toy_config(BranchConfig(tuned_from=0))).trunk.stages) == 0


def test_a_stage_that_the_backbone_lacks_is_an_error():
    with pytest.raises(ConfigError, match="stage 9 asked for; known: 0 to 6"):
        TrunkMixture(toy_config(BranchConfig(taps=(2, 9))))


def test_taps_out_of_order_are_an_error():
    with pytest.raises(ValueError, match="ascending order"):
        BranchConfig(taps=(4, 2))
