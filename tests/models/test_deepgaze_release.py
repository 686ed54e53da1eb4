"""Published state dicts, laid out as the official files are."""

import json

import pytest
import torch
from torch import Tensor, nn

from foregaze.backbones.weights import read_state_dict
from foregaze.errors import WeightsError
from foregaze.models import deepgaze, deepgaze_msdb
from foregaze.models.deepgaze1 import DeepGaze1, DeepGaze1Config
from foregaze.models.deepgaze2 import DeepGaze2, DeepGaze2Config
from foregaze.models.deepgaze2e import DeepGaze2E, DeepGaze2EConfig
from foregaze.models.deepgaze3 import DeepGaze3, DeepGaze3Config
from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.deepgaze_msdb import DeepGazeMSDB, DeepGazeMSDBConfig
from foregaze.models.deepgaze_release import (
    check_published,
    head_layout,
    holds_networks,
    load_published,
    published_layout,
    published_views,
)
from tests.models.plain_deepgaze import PlainDeepGaze1
from tests.models.release_files import CHECKPOINTS, fill, layout, load_fixture, write_release

KEY = "readout_network.conv0.weight"
NETWORK_KEY = "features.features.1.features.10.bias"
DROPPED_KEY = "features.features.1.classifier.6.weight"


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return fill(layout("deepgaze1"))


class Stub(nn.Module):
    channels = (1024, 768, 768)


def msdb() -> DeepGazeMSDB:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deepgaze_msdb, "create_frozen", lambda _: Stub())
        stub = BackboneConfig(name="stub", taps=("all",), weights="random:0")
        return DeepGazeMSDB(DeepGazeMSDBConfig(backbones=(stub,)))


BUILDERS = {
    "deepgaze1": lambda: DeepGaze1(DeepGaze1Config()),
    "deepgaze2e": lambda: DeepGaze2E(DeepGaze2EConfig()),
    "deepgaze3": lambda: DeepGaze3(DeepGaze3Config()),
    "deepgazemsdb": msdb,
}


@pytest.fixture(scope="module", params=BUILDERS)
def named_model(request):
    return request.param, BUILDERS[request.param]()


def test_layout_is_that_of_the_release_file(named_model):
    name, model = named_model
    assert published_layout(model) == layout(name)


def test_views_are_the_models_own_parameters(named_model):
    _, model = named_model
    parameters = [p for n, p in model.named_parameters() if not n.startswith("backbones.")]
    views = published_views(model)
    assert sum(v.numel() for v in views.values()) == sum(p.numel() for p in parameters)
    with torch.no_grad():
        for view in views.values():
            view.fill_(0.25)
    assert all((p == 0.25).all() for p in parameters)


def test_a_release_file_loads_and_predicts_as_the_plain_model_does(tensors, tmp_path):
    write_release(tmp_path / "deepgaze1.pth", tensors)
    read = read_state_dict(tmp_path / "deepgaze1.pth")
    model = DeepGaze1(DeepGaze1Config())
    load_published(model, read, "deepgaze1.pth")
    plain = PlainDeepGaze1()
    plain.load_state_dict(read)
    inputs = load_fixture("inputs")
    with torch.inference_mode():
        ours = model(inputs["image"].float(), inputs["centerbias"])
        theirs = plain(inputs["image"], inputs["centerbias"])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1.5e-5)


def test_a_release_file_without_networks_loads(tmp_path):
    given = fill(layout("deepgazemsdb"))
    write_release(tmp_path / "deepgazemsdb.pth", given)
    model = msdb()
    load_published(model, read_state_dict(tmp_path / "deepgazemsdb.pth"), "deepgazemsdb.pth")
    for key, view in published_views(model).items():
        assert torch.equal(view, given[key]), key


def without(tensors: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {k: x for k, x in tensors.items() if k != key}


WRONG = {
    "a missing key": (lambda t: without(t, KEY), rf"1 keys missing \(first: '{KEY}'\)"),
    "a missing key of the network": (
        lambda t: without(t, NETWORK_KEY),
        rf"1 keys missing \(first: '{NETWORK_KEY}'\)",
    ),
    "a missing key of what is not kept": (
        lambda t: without(t, DROPPED_KEY),
        rf"1 keys missing \(first: '{DROPPED_KEY}'\)",
    ),
    "an unexpected key": (
        lambda t: t | {"finalizer.extra": torch.zeros(1)},
        r"1 keys unexpected \(first: 'finalizer.extra'\)",
    ),
    "a wrong shape": (
        lambda t: t | {KEY: torch.zeros(1, 255, 1, 1)},
        rf"{KEY} has shape \(1, 255, 1, 1\), expected \(1, 256, 1, 1\)",
    ),
    "a wrong shape in the network": (
        lambda t: t | {NETWORK_KEY: torch.zeros(255)},
        rf"{NETWORK_KEY} has shape \(255,\), expected \(256,\)",
    ),
    "another model": (
        lambda _: fill(layout("deepgazemsdb")),
        r"given.pth: does not fit the model: 19 keys missing .*, 25 keys unexpected",
    ),
    "nothing": (lambda _: {}, "19 keys missing"),
    "whole numbers": (
        lambda t: t | {KEY: t[KEY].int()},
        rf"given.pth: {KEY} holds torch.int32, expected floating point numbers",
    ),
    "complex numbers": (
        lambda t: t | {NETWORK_KEY: t[NETWORK_KEY] + 0j},
        rf"{NETWORK_KEY} holds torch.complex64, expected floating point numbers",
    ),
    "NaN": (lambda t: t | {KEY: t[KEY] * torch.nan}, f"{KEY} holds NaN or infinity"),
    "infinity in what is not kept": (
        lambda t: t | {DROPPED_KEY: t[DROPPED_KEY] / 0},
        f"{DROPPED_KEY} holds NaN or infinity",
    ),
    "a blur of no width": (
        lambda t: t | {"finalizer.gauss.sigma": torch.tensor(0.0)},
        "finalizer.gauss.sigma is 0.0, expected widths above 0",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(tensors, change, message):
    model = DeepGaze1(DeepGaze1Config())
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(0.5)
    with pytest.raises(WeightsError, match=message):
        load_published(model, change(tensors), "given.pth")
    assert all((tensor == 0.5).all() for tensor in model.state_dict().values())


def test_a_network_with_another_source_is_not_expected_in_the_file(tensors):
    alexnet = DeepGaze1Config().backbones[0].model_copy(update={"weights": "random:0"})
    model = DeepGaze1(DeepGaze1Config(backbones=(alexnet,)))
    head = {key: x for key, x in tensors.items() if not key.startswith("features.")}
    assert published_layout(model).keys() == head.keys()
    before = [parameter.clone() for parameter in model.backbones.parameters()]
    load_published(model, head, "head.pth")
    assert torch.equal(model.heads[0].finalizers.sigma[0], tensors["finalizer.gauss.sigma"])
    for parameter, old in zip(model.backbones.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


def test_counters_are_whole_numbers_and_widths_positive():
    counter, widths = "norm.num_batches_tracked", "finalizer.gauss.dataset_sigmas"
    shapes = {counter: (), widths: (2,)}
    right = {counter: torch.tensor(3), widths: torch.tensor([1.0, 0.5])}
    check_published(shapes, right, "x.pth")
    with pytest.raises(WeightsError, match=r"tracked holds torch.float32, expected whole numbers"):
        check_published(shapes, right | {counter: torch.tensor(3.0)}, "x.pth")
    with pytest.raises(WeightsError, match=r"sigmas is \[1.0, -0.5\], expected widths above 0"):
        check_published(shapes, right | {widths: torch.tensor([1.0, -0.5])}, "x.pth")


def test_the_layout_of_a_whole_state_dict_of_msdb_is_that_of_the_reference():
    published = DeepGazeMSDBConfig()
    own = tuple(b.model_copy(update={"weights": None}) for b in published.backbones)
    model = DeepGazeMSDB(published.model_copy(update={"backbones": own}))
    entries = [
        entry
        for part in ("head", "backbone")
        for entry in json.loads((CHECKPOINTS / f"deepgazemsdb.{part}.json").read_text())
    ]
    assert published_layout(model) == {e["key"]: tuple(e["shape"]) for e in entries}
    assert head_layout(model) == layout("deepgazemsdb")
    assert holds_networks(model, {entries[-1]["key"]: torch.zeros(1)})
    assert not holds_networks(model, dict.fromkeys(layout("deepgazemsdb"), torch.zeros(1)))


def test_a_model_that_nobody_published_has_no_layout(monkeypatch):
    monkeypatch.setattr(deepgaze, "create_frozen", lambda _: Stub())
    model = DeepGaze2(DeepGaze2Config())
    with pytest.raises(WeightsError, match="no weights of DeepGaze2 are published"):
        published_layout(model)
