from itertools import chain, combinations

import numpy as np
import pytest
import torch

from foregaze.errors import UnknownNameError
from foregaze.models.next_fixation import (
    INPUTS,
    NextFixation,
    NextFixationConfig,
    Past,
    at_positions,
)
from foregaze.ops.logdensity import normalize
from tests.inference.toy_scanpath import draw_parameters
from tests.models import plain_scanpath

STRIDE = 16.0
GRID, DENSITY_GRID = (3, 4), (7, 9)
CHANNELS = 5
SUBSETS = list(
    chain.from_iterable(combinations(INPUTS, k) for k in (0, 1, 2, len(INPUTS) - 1, len(INPUTS)))
)
SMALL = {"content": 3, "hidden": (6, 4)}


def network(seed=0, **settings):
    module = NextFixation(NextFixationConfig(**(SMALL | settings)), CHANNELS).double().eval()
    draw_parameters(module, seed)
    return module


def scene_inputs(seed=1):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return normalize(draw(*DENSITY_GRID)), normalize(draw(*DENSITY_GRID)), draw(CHANNELS, *GRID)


def history_of(count, seed=2):
    """Positions x, y in the working size, latest first."""
    size = (GRID[1] * STRIDE, GRID[0] * STRIDE)
    return np.random.default_rng(seed).uniform(0, size, (count, 2))


def past_of(*histories, room=4):
    room = max(room, *map(len, histories))
    padded = np.full((len(histories), room, 2), np.nan)
    for row, history in zip(padded, histories, strict=True):
        row[: len(history)] = history
    x, y = torch.from_numpy(padded).unbind(-1)
    return Past(x, y)


@torch.no_grad()
def predicted(module, past):
    return module(module.scene(*scene_inputs(), STRIDE), past)


def plain(module, history):
    parameters = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    scene = (maps.numpy() for maps in scene_inputs())
    return plain_scanpath.next_fixation(parameters, module.config, *scene, STRIDE, history.tolist())


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7])
def test_against_the_plain_network_with_every_choice_of_inputs(count):
    history = history_of(count)
    for inputs in SUBSETS:
        module = network(inputs=inputs)
        found = predicted(module, past_of(history))[0].numpy()
        np.testing.assert_allclose(found, plain(module, history), rtol=0, atol=1e-9)


@pytest.mark.parametrize("settings", [{"history": 1}, {"history": 2, "matches": 3}])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_against_the_plain_network_with_shorter_memories(settings, count):
    module = network(**settings)
    history = history_of(count)
    found = predicted(module, past_of(history, room=module.config.history))[0].numpy()
    np.testing.assert_allclose(found, plain(module, history), rtol=0, atol=1e-9)


def test_the_order_of_inputs_is_that_of_the_parameters():
    inputs = ("match", "order", "content", "place", "direction", "return", "distance")
    module, history = network(inputs=inputs), history_of(3)
    found = predicted(module, past_of(history))[0].numpy()
    np.testing.assert_allclose(found, plain(module, history), rtol=0, atol=1e-9)


def test_densities_sum_to_one_and_differ_from_history_to_history():
    found = predicted(network(), past_of(*(history_of(count) for count in range(8))))
    assert found.exp().sum((-2, -1)).tolist() == pytest.approx([1.0] * 8, abs=1e-12)
    for first, second in combinations(found, 2):
        assert (first - second).abs().max() > 0.02


def test_an_untrained_network_gives_the_spatial_density():
    torch.manual_seed(0)
    module = NextFixation(NextFixationConfig(**SMALL), CHANNELS).double().eval()
    spatial = scene_inputs()[0]
    found = predicted(module, past_of(history_of(0), history_of(5)))
    torch.testing.assert_close(found, spatial.expand(2, -1, -1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_missing_fixation_is_a_shorter_history(count):
    module, history = network(), history_of(count)
    expected = predicted(module, past_of(history, room=4))
    for room in (5, 6, 12):
        torch.testing.assert_close(
            predicted(module, past_of(history, room=room)), expected, rtol=0, atol=1e-13
        )


def test_histories_of_a_batch_do_not_mix():
    module = network()
    histories = [history_of(count, seed=count) for count in (0, 2, 6)]
    together = predicted(module, past_of(*histories))
    for alone, history in zip(together, histories, strict=True):
        expected = predicted(module, past_of(history))[0]
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-12)


def columns_of_slot(module, slot):
    """Inputs of cells that tell of one slot; see `plain_scanpath`."""
    slots, inputs = module.config.history, module.config.inputs
    assert inputs == ("distance",)
    return [1 + kind * slots + slot for kind in range(3 + 1 + 3)]


def test_parameters_of_a_slot_do_not_matter_where_it_is_empty():
    module = network(inputs=("distance",))
    past = past_of(history_of(2))
    before = predicted(module, past)
    for slot, matters in ((3, False), (2, False), (1, True)):
        with torch.no_grad():
            module.of_cells.weight[:, columns_of_slot(module, slot)] += 1.0
            module.of_history.weight[:, slot] += 1.0
            module.weights.weight[:, slot] += 1.0
        difference = (predicted(module, past) - before).abs().max()
        assert (difference > 0.1) == matters
        assert matters or difference == 0


def test_what_a_place_is_matched_with_does_not_matter_where_there_is_nothing():
    module = network(inputs=("match",))
    past = past_of(history_of(1))
    before = predicted(module, past)
    for slot, matters in ((1, False), (0, True)):
        with torch.no_grad():
            module.to_match[slot] += 1.0
        difference = (predicted(module, past) - before).abs().max()
        assert (difference > 1e-3) == matters
        assert matters or difference == 0


@pytest.mark.parametrize("name", INPUTS)
def test_only_returns_and_order_tell_of_fixations_before_the_last_few(name):
    module, history = network(inputs=(name,)), history_of(6)
    moved = history.copy()
    moved[4:] = moved[4:] / 2
    full, short, other = (predicted(module, past_of(h)) for h in (history, history[:4], moved))
    assert ((full - other).abs().max() > 1e-3) == (name == "return")
    assert ((full - short).abs().max() > 1e-3) == (name in ("return", "order"))


def test_fixations_after_the_sixth_are_alike_but_for_their_number():
    module = network(inputs=("order",))
    with torch.no_grad():
        for layer in (module.of_history, module.weights):
            layer.weight[:, -1] = 0.0  # the number itself
    seventh, eighth = (predicted(module, past_of(history_of(9)[:k])) for k in (6, 7))
    fifth = predicted(module, past_of(history_of(9)[:5]))
    torch.testing.assert_close(seventh, eighth, rtol=0, atol=1e-13)
    assert (seventh - fifth).abs().max() > 1e-2


def test_single_precision_stays_close_to_double():
    module, past = network(), past_of(history_of(5))
    expected = predicted(module, past)
    single = module.float()
    with torch.no_grad():
        scene = single.scene(*(maps.float() for maps in scene_inputs()), STRIDE)
        found = single(scene, Past(past.x.float(), past.y.float()))
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-4


def test_maps_are_read_at_the_centers_of_their_cells_and_linear_between():
    maps = torch.arange(24.0, dtype=torch.float64).view(2, 3, 4) ** 2
    x = torch.tensor([[8.0, 40.0, 24.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([[8.0, 24.0, 8.0, 48.0]], dtype=torch.float64)
    found = at_positions(maps, x, y, STRIDE)[0]
    torch.testing.assert_close(found[0], maps[:, 0, 0])
    torch.testing.assert_close(found[1], maps[:, 1, 2])
    torch.testing.assert_close(found[2], maps[:, 0, 1])
    torch.testing.assert_close(found[3], maps[:, 2, 0])  # beyond the last center: the border's
    middle = at_positions(maps, x[:, :1] + 8, y[:, :1] + 8, STRIDE)[0, 0]
    torch.testing.assert_close(middle, maps[:, :2, :2].mean((1, 2)))


def test_an_unknown_input_lists_the_known_ones():
    known = "content, direction, distance, match, order, place, return"
    with pytest.raises(UnknownNameError, match=rf"^unknown input 'mood'; known: {known}$"):
        NextFixationConfig(inputs=("distance", "mood"))
