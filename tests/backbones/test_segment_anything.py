import json
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from foregaze.backbones import weights
from foregaze.backbones.segment_anything import KINDS, SegmentAnythingNetwork, point_grid
from foregaze.errors import ConfigError, ShapeError, WeightsError
from tests.backbones.toy_segment_anything import SIDE, save_toy

ANY = -1000.0
"""A score that all have."""


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    return {kind: save_toy(folder / kind, kind) for kind in KINDS}


@pytest.fixture
def toy(toys, tmp_path):
    """One that a test may damage."""
    return shutil.copytree(toys["sam"], tmp_path / "toy")


def picture(height=48, width=80):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_points_are_at_the_centers_of_cells():
    assert point_grid(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_point_has_three_regions_at_the_wanted_size(toys, kind):
    propose = SegmentAnythingNetwork(str(toys[kind])).on(picture())
    logits, scores = propose(point_grid(3), (24, 40), ANY)
    assert logits.shape == (27, 24, 40)
    assert scores.shape == (27,)
    assert logits[::3].std(0).min() > 0  # points matter


@pytest.mark.parametrize("kind", KINDS)
def test_regions_above_a_score_are_those_of_all(toys, kind):
    propose = SegmentAnythingNetwork(str(toys[kind])).on(picture())
    logits, scores = propose(point_grid(3), (24, 40), ANY)
    above = float(scores.median())
    some, some_scores = propose(point_grid(3), (24, 40), above)
    assert len(some) == 13
    torch.testing.assert_close(some, logits[scores > above])
    torch.testing.assert_close(some_scores, scores[scores > above])
    assert propose(point_grid(3), (24, 40), 100.0)[0].shape == (0, 24, 40)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_points_change_nothing(toys, kind):
    propose = SegmentAnythingNetwork(str(toys[kind])).on(picture())
    points = point_grid(3)
    whole = propose(points, (24, 40), ANY)
    for number in range(len(points)):
        part = propose(points[number : number + 1], (24, 40), ANY)
        for one, of_all in zip(part, whole, strict=True):
            expected = of_all[3 * number : 3 * number + 3]
            torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_transformers_own_processing(toys, kind):
    """A whole pass of the processor, with points in pixels, through the network in one call."""
    import transformers

    network = SegmentAnythingNetwork(str(toys[kind]))
    image, points = picture(), point_grid(3)
    logits, scores = network.on(image)(points, (48, 80), ANY)
    pixels = [[[point.tolist()] for point in points * torch.tensor([80, 48])]]
    name = {"sam": "SamProcessor"}.get(kind, "Sam2Processor")
    processor = getattr(transformers, name)(network.processor)
    if kind != "sam":
        processor.target_size = SIDE
    inputs = processor(images=image, input_points=pixels, return_tensors="pt")
    sizes = [inputs.pop(key, None) for key in ("original_sizes", "reshaped_input_sizes")]
    with torch.inference_mode():
        found = network.network(**inputs, multimask_output=True)
    sizes = [size for size in sizes if size is not None]
    (expected,) = processor.post_process_masks(found.pred_masks, *sizes, binarize=False)
    torch.testing.assert_close(logits, expected.flatten(0, 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scores, found.iou_scores[0].flatten(), rtol=1e-4, atol=1e-5)


def test_what_is_said_of_a_checkpoint_follows_its_files(toys, toy):
    said = SegmentAnythingNetwork(str(toys["sam"])).made_with
    assert SegmentAnythingNetwork(str(toy)).made_with == said
    assert sorted(said) == [
        "config_sha256",
        "device",
        "model_sha256",
        "preprocessor_config_sha256",
        "transformers",
    ]
    tensors = load_file(toy / "model.safetensors")
    tensors["mask_decoder.iou_token.weight"] += 1
    save_file(tensors, toy / "model.safetensors", metadata={"format": "pt"})
    other = SegmentAnythingNetwork(str(toy)).made_with
    assert {key for key in said if said[key] != other[key]} == {"model_sha256"}


def test_images_that_cannot_be_written_to_are_taken(toys):
    image = picture()
    network = SegmentAnythingNetwork(str(toys["sam"]))
    points = point_grid(1), (4, 5), ANY
    expected, _ = network.on(image)(*points)
    image.setflags(write=False)
    torch.testing.assert_close(network.on(image)(*points)[0], expected)


def test_strips_are_refused(toys):
    network = SegmentAnythingNetwork(str(toys["sam"]))
    with pytest.raises(ShapeError, match="an image of 2000x2 pixels is too narrow"):
        network.on(picture(2, 2000))


def test_a_checkpoint_that_lacks_a_tensor_is_refused(toy):
    tensors = load_file(toy / "model.safetensors")
    del tensors["mask_decoder.iou_token.weight"]
    save_file(tensors, toy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks 1 of .* \(first: 'mask_decoder.iou_token.wei"):
        SegmentAnythingNetwork(str(toy))


def test_damaged_and_unknown_checkpoints_are_refused(toy):
    (toy / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(WeightsError, match="toy: cannot be loaded"):
        SegmentAnythingNetwork(str(toy))
    config = json.loads((toy / "config.json").read_text())
    (toy / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(WeightsError, match="of type 'bert'; known: sam, sam2, sam2_video"):
        SegmentAnythingNetwork(str(toy))
    (toy / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="says no model_type"):
        SegmentAnythingNetwork(str(toy))


def test_images_that_do_not_fit_the_network_are_told_of(toy):
    settings = json.loads((toy / "preprocessor_config.json").read_text())
    settings["size"] = {"longest_edge": 32}
    settings["pad_size"] = {"height": 32, "width": 32}
    (toy / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(WeightsError, match=r"refuses what its preprocessor_config.json asks for"):
        SegmentAnythingNetwork(str(toy)).on(picture())


def test_missing_files_are_named(toy):
    (toy / "preprocessor_config.json").unlink()
    with pytest.raises(WeightsError, match=r"toy: has no preprocessor_config.json; expected a fol"):
        SegmentAnythingNetwork(str(toy))
    with pytest.raises(WeightsError, match=r"a/b/c: no such folder; expected a folder with config"):
        SegmentAnythingNetwork("a/b/c")


def test_offline_the_message_says_what_to_do(monkeypatch):
    asked = []

    def refuse(source):
        asked.append(source)
        raise WeightsError(f"{source}: cannot be downloaded (no network); offline, save it")

    monkeypatch.setattr("foregaze.backbones.segment_anything.resolve_weights", refuse)
    message = (
        r"^facebook/sam-vit-large: is no folder here, and cannot be had from the Hugging Face hub "
        r"\(hub:facebook/sam-vit-large/config.json: cannot be downloaded \(no network\)\); offline,"
        r" download config.json, preprocessor_config.json, model.safetensors from .* as model=FOLD"
    )
    with pytest.raises(WeightsError, match=message):
        SegmentAnythingNetwork("facebook/sam-vit-large")
    assert asked == ["hub:facebook/sam-vit-large/config.json"]


def test_a_repository_is_loaded_from_the_hubs_cache(toys, monkeypatch):
    def cached(name):
        assert name.startswith("facebook/sam-vit-large/")
        return toys["sam"] / name.rpartition("/")[2]

    monkeypatch.setattr(weights, "_hub_cached", cached)
    said = SegmentAnythingNetwork("facebook/sam-vit-large").made_with
    assert said == SegmentAnythingNetwork(str(toys["sam"])).made_with


def test_without_transformers_the_extra_is_named(toys, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'foregaze\[segment-anything\]'"):
        SegmentAnythingNetwork(str(toys["sam"]))


def test_old_transformers_are_refused(toys, monkeypatch):
    import transformers

    monkeypatch.setattr(transformers, "__version__", "4.57.1")
    with pytest.raises(ConfigError, match=r"needs transformers 5 or later, not 4.57.1"):
        SegmentAnythingNetwork(str(toys["sam"]))


def test_devices_that_are_not_there_are_refused(toys):
    with pytest.raises(ConfigError, match="device 'nowhere' is not available here"):
        SegmentAnythingNetwork(str(toys["sam"]), "nowhere")


def test_loading_says_nothing_and_leaves_transformers_as_it_was(toys, capfd):
    from transformers.utils import logging

    level = logging.get_verbosity()
    SegmentAnythingNetwork(str(toys["sam2_video"]))
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == level
    assert logging.is_progress_bar_enabled()
