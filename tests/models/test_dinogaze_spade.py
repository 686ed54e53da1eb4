"""DinoGaze-SPADE's variants against the plain algorithm, and against DinoGaze."""

import pytest
import torch
from pydantic import ValidationError

from foregaze.models.dinogaze_spade import VARIANTS, DinoGazeSpadeConfig, DinoGazeSpadeHead
from tests.models.toy_guided import (
    DINOV2_CHANNELS,
    assert_is_plain,
    inputs,
    published_head,
    toy,
    trained,
)
from tests.models.toy_heads import assert_close

VARIANT = pytest.mark.parametrize("variant", VARIANTS)


@VARIANT
@pytest.mark.parametrize("length", [0, 4])
def test_density_is_that_of_the_plain_algorithm(variant, length):
    assert_is_plain(variant, length)


@VARIANT
@pytest.mark.parametrize("changes", [{"semantic_tap": 0}, {"components": 1, "readout_factor": 5.0}])
def test_density_is_that_of_the_plain_algorithm_with_other_settings(variant, changes):
    assert_is_plain(variant, 4, **changes)


def head_of(variant: str, **changes: int) -> DinoGazeSpadeHead:
    config = DinoGazeSpadeConfig(variant=variant, **changes)
    return published_head(DinoGazeSpadeHead, config, DINOV2_CHANNELS)


@VARIANT
def test_networks_have_the_published_numbers_of_parameters(variant):
    head = head_of(variant)
    found = [trained(n) / 1e6 for n in (head.saliency, head.fixation_selection, head.scanpath)]
    assert found[0] == pytest.approx(10.70, abs=0.005)
    assert found[1] == pytest.approx(2.70 if variant == "B" else 0.004674, abs=0.005)
    assert found[2] == pytest.approx(4.07 if variant == "C" else 0.004368, abs=0.005)
    assert head_of(variant, history=0).scanpath is None


def test_the_map_is_painted_with_the_last_tap():
    head = head_of("A")
    assert head.semantic_tap == -1
    assert head.saliency.layers[0].shared.shape == (1, 128, 1024, 3, 3)


@torch.inference_mode()
def test_a_plain_start_is_dinogaze():
    spade = toy("A", drawn=False, spade_starts_plain=True)
    plain = toy("dinogaze")
    for layer in plain.head.saliency.layers:
        layer.norm_weight.fill_(1)
        layer.norm_bias.fill_(0)
    lacking = spade.load_state_dict(plain.state_dict(), strict=False).missing_keys
    ofs = {key.rsplit(".", 1)[1] for key in lacking}
    assert ofs == {f"{x}{y}" for x in ("shared", "gamma", "beta") for y in ("", "_bias")}
    (given, options) = inputs("A")
    ours, theirs = spade(*given, **options), plain(*given)
    assert_close(ours[:-1], theirs[:-1], atol=1e-12)
    assert_close(ours, theirs, atol=2e-9)


@torch.inference_mode()
def test_any_other_start_is_not():
    given, options = inputs("A")
    drawn, plain = (
        toy("A", drawn=False, spade_starts_plain=starts)(*given, **options)
        for starts in (False, True)
    )
    assert (drawn - plain).abs().max().item() > 1e-3


@VARIANT
def test_a_plain_start_learns(variant):
    """Gamma and beta are zero, but their gradients are not."""
    model = toy(variant, drawn=False, spade_starts_plain=True)
    given, options = inputs(variant)
    loss = -model(*given, **options)[:, 20, 30].mean()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad and ".gamma" in key:
            (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True)
            assert gradient.abs().max().item() > 1e-9, key
            assert parameter.abs().max().item() == 0, key


@pytest.mark.parametrize("tap", [-4, 3])
def test_a_tap_that_the_network_does_not_have_is_refused(tap):
    message = rf"semantic_tap is {tap}, expected -3 to 2: the backbone has 3 taps"
    with pytest.raises(ValidationError, match=message):
        DinoGazeSpadeConfig(semantic_tap=tap)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValidationError, match="'A', 'B' or 'C'"):
        DinoGazeSpadeConfig(variant="D")
