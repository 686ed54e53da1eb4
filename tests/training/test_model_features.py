"""Features of a model's networks, layouts of segments, and frozen saliency maps."""

import pytest
import torch

from foregaze.data import load_dataset
from foregaze.errors import DataError, ShapeError
from foregaze.models.deepgaze import create_frozen
from foregaze.ops.painting import lay_out
from foregaze.segmentation import make_segmenter
from foregaze.training import model_features
from foregaze.training.branch import make_part, stored_features
from foregaze.training.components import component_of, initial_model
from foregaze.training.frames import View
from foregaze.training.model_features import (
    SALIENCY,
    SEMANTIC,
    FrozenSaliency,
    Layouts,
    guide_of,
)
from foregaze.training.segments import read_segment_keys
from tests.training.toy_guided import MODEL, SIZE, guided, prepared

OTHER = {"name": "tf_efficientnet_lite0", "taps": ["3"], "weights": "random:1"}
VIEWS = [View(0, False), View(0, True), View(0, False, (), 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guided")


@pytest.fixture(scope="module")
def dataset(small_osie):
    return load_dataset("osie", small_osie)


@pytest.fixture(scope="module")
def made(small_osie, folder, dataset):
    """A recipe and the features of its model, stored."""

    def make(architecture="dinogaze-spade", **changes):
        recipe = guided(small_osie, folder, architecture, data={"variants": 1}, **changes)
        part = make_part(recipe, dataset, "fold-0")
        features = stored_features(recipe, part, 0, dataset)
        missing = features.missing(VIEWS)
        network = features.network() if missing else None
        for view in missing:
            features.fill(view, network)
        return recipe, features

    return make


@pytest.fixture(scope="module")
def output(small_osie, folder):
    """A run's folder with the keys of its segments."""
    prepared(guided(small_osie, folder, "dinogaze-spade"), folder / "run")
    return folder / "run"


def head_of(recipe):
    return component_of(recipe, 0, initial_model(recipe, 0, 0)).head


def pixels(features, view):
    return features.frame(view).picture(features.stimuli[view.image])[None]


@pytest.mark.parametrize("view", VIEWS)
def test_features_are_those_of_the_taps_of_what_a_view_shows(made, view):
    _, features = made()
    with torch.inference_mode():
        taps = create_frozen(features.backbones[0])(pixels(features, view))
    found = features[view]
    assert list(found) == [0, 1]
    for number, tap in enumerate(taps):  # kept in half precision
        torch.testing.assert_close(found[number], tap[0], rtol=2**-10, atol=1e-4)


def test_a_second_network_gives_what_segments_are_painted_with(made):
    backbones = [*MODEL["backbones"], OTHER]
    _, both = made("deepgaze-spade-hybrid", model={"backbones": backbones})
    _, one = made()
    view = VIEWS[0]
    found = both[view]
    assert set(found) == {0, 1, SEMANTIC}
    with torch.inference_mode():
        (tap,) = create_frozen(both.backbones[1])(pixels(both, view))
    torch.testing.assert_close(found[SEMANTIC], tap[0], rtol=2**-10, atol=1e-4)
    assert {k: both.keys(view)[k] for k in (0, 1)} == one.keys(view)
    assert len(set(both.keys(view).values())) == 3


def test_other_weights_have_other_keys(made):
    (own,) = MODEL["backbones"]
    _, features = made()
    _, other = made(model={"backbones": [own | {"weights": "random:1"}]})
    assert not set(features.keys(VIEWS[0]).values()) & set(other.keys(VIEWS[0]).values())


def test_a_network_that_sees_fewer_pixels_has_other_keys(made):
    _, features = made()
    _, fewer = made(model={"downsample": 2.0})
    assert not set(features.keys(VIEWS[0]).values()) & set(fewer.keys(VIEWS[0]).values())
    shapes = [tuple(fewer[VIEWS[0]][n].shape[1:]) for n in (0, 1)]
    assert shapes == [tuple(side // 2 for side in features[VIEWS[0]][n].shape[1:]) for n in (0, 1)]


def layouts(recipe, output, most=6, **changes):
    keys = read_segment_keys(output) | changes.get("keys", {})
    for name in changes.get("without", ()):
        del keys[name]
    return Layouts(recipe.segment_store, keys, head_of(recipe), 1, most)


@pytest.mark.parametrize("view", VIEWS)
def test_segments_are_laid_out_as_the_view_shows_them(made, output, view):
    recipe, features = made()
    found = layouts(recipe, output).of(view, features, features[view])
    frame = features.frame(view)
    ids = frame.labels(make_segmenter("grid", rows=2, columns=3).segments(features.stimuli[0]))
    expected = lay_out(torch.from_numpy(ids), (4, 6), (4, 6))
    assert found.areas.dtype == torch.float32
    torch.testing.assert_close(found.areas, expected.areas.float())
    torch.testing.assert_close(found.shares, expected.shares.float())
    assert torch.equal(found.ids, expected.ids)
    mirrored = found.ids[0, 0] > found.ids[0, -1]
    assert mirrored == view.mirrored


def test_a_layout_is_made_once(made, output, monkeypatch):
    recipe, features = made()
    kept = layouts(recipe, output)
    seen = features[VIEWS[0]]
    first = kept.of(VIEWS[0], features, seen)
    monkeypatch.setattr(kept.store, "get", None)
    again = kept.of(VIEWS[0]._replace(draw=(3, 4), weight=0.5), features, seen)
    assert again is first
    with pytest.raises(TypeError):  # another view is looked up
        kept.of(VIEWS[1], features, features[VIEWS[1]])


def test_layouts_that_find_no_room_are_made_again(made, output, monkeypatch):
    recipe, features = made()
    seen = features[VIEWS[0]]
    kept = layouts(recipe, output).of(VIEWS[0], features, seen)
    monkeypatch.setattr(model_features, "_KEPT_BYTES", 1)
    forgetful = layouts(recipe, output)
    first, again = (forgetful.of(VIEWS[0], features, seen) for _ in range(2))
    assert again is not first
    for ours, others in zip(again, kept, strict=True):
        assert torch.equal(ours, others)


def test_an_image_without_segments_is_named(made, output):
    recipe, features = made()
    name = features.stimuli.names[0]
    seen = features[VIEWS[0]]
    with pytest.raises(DataError, match=f"{name}: has no segments in .*segments"):
        layouts(recipe, output, without=[name]).of(VIEWS[0], features, seen)
    with pytest.raises(DataError, match=f"{name}: has no segments in .*segments"):
        layouts(recipe, output, keys={name: bytes(32)}).of(VIEWS[0], features, seen)


def test_an_id_out_of_range_is_named(made, output):
    recipe, features = made()
    few = layouts(recipe, output, most=5)
    with pytest.raises((DataError, ShapeError), match="id 5"):
        few.of(VIEWS[0], features, features[VIEWS[0]])


@pytest.mark.parametrize("variant", ["A", "B"])
def test_frozen_saliency_is_what_the_head_makes_of_a_view(made, output, variant):
    recipe, features = made(model={"variant": variant})
    head, view = head_of(recipe), VIEWS[1]
    seen = features[view]
    layout = layouts(recipe, output).of(view, features, seen)
    frozen = FrozenSaliency(head, [0, 1])
    assert frozen.kept(view) is None
    found, left = frozen.reduced(view, seen, layout, SIZE)
    taps = [seen[number][None] for number in (0, 1)]
    with torch.no_grad():
        guidance = head.guidance(taps, guide_of(seen, layout, torch.device("cpu")))
        expected = head.saliency_maps(taps, (4, 6), guidance)[0]
    assert torch.equal(found[SALIENCY], expected)
    assert not found[SALIENCY].requires_grad
    if variant == "A":  # the map is all that is needed
        assert set(found) == {SALIENCY}
        assert left is None
        assert torch.equal(frozen.kept(view)[SALIENCY], expected)
    else:  # fixation selection sees the segments, too
        assert set(found) == {0, 1, SALIENCY}
        assert left is layout
        assert frozen.kept(view) is None


@pytest.mark.parametrize("but_last", [False, True])
@pytest.mark.parametrize(
    ("architecture", "model"),
    [
        ("dinogaze", {}),
        ("dinogaze-spade", {"variant": "A"}),
        ("dinogaze-spade", {"variant": "B"}),
        ("deepgaze-spade-static", {}),
    ],
)
def test_densities_from_what_is_found_once_are_those_from_features(
    made, output, architecture, model, but_last
):
    recipe, features = made(architecture, model=model)
    component, view = component_of(recipe, 0, initial_model(recipe, 0, 0)), VIEWS[1]
    seen = features[view]
    guided_by_segments = architecture != "dinogaze"
    layout = layouts(recipe, output).of(view, features, seen) if guided_by_segments else None
    frozen = FrozenSaliency(component.head, [0, 1], but_last=but_last)
    prior = torch.zeros(1, *(side // recipe.grid.density_stride for side in SIZE))
    densities = [
        component({key: x[None] for key, x in found.items()}, prior, layout=batch_of_one(left))
        for found, left in [(seen, layout), frozen.reduced(view, seen, layout, SIZE)]
    ]
    torch.testing.assert_close(*densities)
    last = component.head.saliency.layers[-1]
    densities[1][0, 0, 0].backward()
    learns = [x.grad is not None for x in last.parameters() if x.requires_grad]
    assert all(learns) if but_last else not any(learns)


def batch_of_one(layout):
    return None if layout is None else type(layout)(*(part[None] for part in layout))


def test_frozen_saliency_is_found_once_for_each_view(made, output, monkeypatch):
    recipe, features = made()
    head = head_of(recipe)
    calls = []
    original = head.saliency_maps
    monkeypatch.setattr(head, "saliency_maps", lambda *x: calls.append(1) or original(*x))
    frozen = FrozenSaliency(head, [0, 1])
    laid_out = layouts(recipe, output)
    maps = []
    for view in (*VIEWS, *VIEWS, VIEWS[0]._replace(draw=(1, 2), weight=0.0)):
        seen = features[view]
        layout = laid_out.of(view, features, seen)
        maps.append(frozen.reduced(view, seen, layout, SIZE)[0][SALIENCY])
    assert len(calls) == 3
    assert torch.equal(maps[0], maps[6])
    assert not torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])
