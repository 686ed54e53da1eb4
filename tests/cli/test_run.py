"""`foregaze run` with all work in this process, so that disks can be made full."""

import errno
import shutil
from types import SimpleNamespace

import pytest
import torch
import yaml

from foregaze import keyed_store
from foregaze.cli import progress
from foregaze.models.checkpoint_file import read_tensors
from tests.training.in_this_process import in_this_process

STAGE = {"name": "s", "epochs": 2, "warmup_steps": 0}
BRANCHES = [{"name": "head", "stages": [STAGE]}]
CONTENT = {
    "name": "toy",
    "base": {
        "architecture": "dinogaze-spade",
        "grid": {"input_size": [32, 64]},
        "model": {
            "backbones": [{"name": "tf_efficientnet_lite0", "taps": ["2"], "weights": "random:0"}],
            "readout_factor": 8,
            "history": 0,
            "spade_hidden": 2,
            "segmenter": "grid",
            "segmenter_settings": {"rows": 2, "columns": 2},
        },
        "data": {"folds": 3},
        "parts": ["fold-1"],
        "metrics": ["LL"],
        "branches": BRANCHES,
        "trainer": {"accelerator": "cpu"},
        "store": "features",
        "segment_store": "segments",
    },
    "stages": [
        {"name": "first", "recipe": {"name": "one"}},
        {"name": "second", "after": "first", "recipe": {"name": "two", "frozen": ["selection"]}},
    ],
}


@pytest.fixture(autouse=True)
def here():
    with in_this_process() as patch:
        patch.setattr(progress, "_LINE_SECONDS", float("inf"))
        yield


@pytest.fixture
def pipeline(tmp_path, osie_root):
    """The file; its data set has three images."""
    content = CONTENT | {"base": {**CONTENT["base"], "data": {"folds": 3, "root": str(osie_root)}}}
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def asked(run, pipeline):
    """Run it with some settings."""

    def run_with(*settings, options=()):
        given = [word for setting in settings for word in ("--set", setting)]
        return run("run", pipeline, "--output", "out", *given, *options)

    return run_with


def test_a_dry_run_tells_every_run_and_writes_nothing(asked, pipeline, tmp_path):
    outcome = asked(options=["--dry-run"])
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "first/fold-1: to do\n"
        "  data:  osie, 2 images, 1 to be scored\n"
        "  from:  random weights; 2 epochs\n"
        "  model: out/first/fold-1/model.safetensors\n"
        "second/fold-1: to do\n"
        "  data:  osie, 2 images, 1 to be scored\n"
        "  from:  out/first/fold-1/model.safetensors, frozen: selection; 2 epochs\n"
        "  model: out/second/fold-1/model.safetensors\n"
    )
    assert list(tmp_path.iterdir()) == [pipeline]


def test_settings_replace_entries(asked):
    outcome = asked(
        "base.parts=[all,fold-0]",
        "stages.1.recipe.frozen=[saliency, selection]",
        "base.branches.0.stages.0.epochs=5",
        "stages.0.name=begin",
        "stages.1.after=begin",
        options=["--dry-run"],
    )
    headings = [line.split(":")[0] for line in outcome.out.splitlines() if line[0] != " "]
    assert headings == ["begin/all", "begin/fold-0", "second/all", "second/fold-0"]
    assert outcome.out.count("frozen: saliency, selection; 5 epochs\n") == 2
    assert outcome.out.count("  data:  osie, 3 images\n") == 2


def test_a_pipeline_is_run_and_a_finished_one_is_left_alone(asked, tmp_path):
    outcome = asked()
    assert (outcome.code, outcome.err) == (0, "")
    for name, title in (("first", "one"), ("second", "two")):
        assert f"stage {name}: {title}\nOut of fold: " in outcome.out
        assert f"report: out/{name}/report.json\n" in outcome.out
        assert f"model (fold-1): out/{name}/fold-1/model.safetensors\n" in outcome.out
    assert asked(options=["--dry-run"]).out.count(": finished\n") == 2
    models = list((tmp_path / "out").rglob("model.safetensors"))
    times = [path.stat().st_mtime_ns for path in models]
    assert "exists and is not empty; give another --output, or --resume" in asked().error()
    again = asked(options=["--resume"])
    assert (again.code, again.out) == (0, outcome.out)
    assert [path.stat().st_mtime_ns for path in models] == times


REFUSED = {
    "a fold beyond the last": (
        ["base.parts=[fold-7]", "base.data.folds=5"],
        "stage 'first': parts: ",
    ),
    "more folds than images": (["base.data.folds=5"], "osie: 3 pictures cannot make 5 folds"),
    "circle": (["stages.0.after=second"], "stages run in a circle: first after second after first"),
    "unknown stage": (["stages.1.after=frist"], "comes after 'frist', which is no stage; known: "),
    "missing checkpoint": (
        ["stages.0.recipe.start={fold-1: none.safetensors}"],
        "stage 'first': none.safetensors: no such checkpoint to start from",
    ),
    "start of no part": (["stages.0.recipe.start={fold-9: x}"], "start: there is no part 'fold-9'"),
    "no stages": (["stages=[]"], "stages: Tuple should have at least 1 item"),
    "stages are a list": (["stages={a: 1}"], "stages: expected a list (given: {'a': 1})"),
    "unknown key": (["base.worker=3"], "stage 'first': unknown key 'worker'; known here: "),
    "unknown key of the model": (
        ["base.model.histroy=0"],
        "stage 'first': model: unknown key 'histroy'; known here: backbones",
    ),
    "unknown architecture": (["base.architecture=dinogase"], "unknown architecture 'dinogase'"),
    "frozen nothing": (
        ["base.frozen=[backbone]"],
        "frozen.0: Input should be 'saliency', 'saliency-hidden', 'selection' or 'scanpath'",
    ),
    "no device": (["base.trainer.devices=0"], "trainer.devices: Input should be greater than"),
    "precision": (["base.trainer.precision=fp8"], "trainer.precision: Input should be '32-true'"),
    "accelerator": (["base.trainer.accelerator=abacus"], "stage 'first': trainer: "),
    "machines": (
        ["base.trainer.num_nodes=2", "base.workers=1"],
        "trainer.num_nodes is 2: set NODE_RANK",
    ),
    "workers of machines": (
        ["base.trainer.num_nodes=2", "base.workers=2"],
        "with trainer.num_nodes above 1, workers must be 1",
    ),
    "epochs": (
        ["base.branches=[{name: h, stages: [{name: s, epochs: -1}]}]"],
        "branches.0.stages.0.epochs: Input should be greater than or equal to 1 (given: -1)",
    ),
    "milestones": (
        ["base.branches=[{name: h, stages: [{name: s, epochs: 9, milestones: [5, 2]}]}]"],
        "milestones must be epochs in ascending order, not (5, 2)",
    ),
    "rate without milestones": (
        ["base.branches=[{name: h, stages: [{name: s, epochs: 9, min_learning_rate: 1.0e-7}]}]"],
        "min_learning_rate needs milestones",
    ),
    "no data": (["base.data.root=none"], "stage 'first': none/stimuli: no such folder"),
    "no maps": (
        ["base.model.segmenter=maps", "base.model.segmenter_settings={folder: none}"],
        "stage 'first': none: no such folder; it is to hold segment maps",
    ),
    "metric": (["base.metrics=[LX]"], "stage 'first': unknown metric 'LX'"),
    "size": (["base.grid.input_size=[0, 64]"], "grid.input_size.0: Input should be greater than"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_said_in_one_line_before_any_work(asked, tmp_path, settings, message):
    assert message in asked(*settings).error()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "toy.yaml: cannot be read"),
        ("a: [", "toy.yaml: is not YAML"),
        ("[]", "expected keys"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused(asked, pipeline, content, message):
    pipeline.unlink()
    if content is not None:
        pipeline.write_text(content)
    assert message in asked().error()


def test_an_output_with_other_files_is_refused(asked, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    for options in ([], ["--resume"]):
        assert "out: exists and is not empty; give another" in asked(options=options).error()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_disk_without_room_for_the_features_is_told(asked, tmp_path, monkeypatch):
    usage = SimpleNamespace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    error = asked().error()
    assert "features: features of 5 views need " in error
    assert "0.0 GB are free there: make room, or name another folder" in error
    assert not list((tmp_path / "out").rglob("*.safetensors"))
    assert not list((tmp_path / "out").rglob("*.ckpt"))


def test_a_store_without_room_is_told_and_the_run_goes_on_in_another(asked, tmp_path, monkeypatch):
    with monkeypatch.context() as small:
        small.setattr(keyed_store, "_MAP_BYTES", 1 << 14)
        error = asked("base.segment_store=big").error()
    assert "there is no room for more in this " in error
    assert "MDB_MAP_FULL" in error
    assert not list((tmp_path / "out").rglob("*.safetensors"))
    settings = ["base.segment_store=big", "base.store=elsewhere"]
    assert asked(*settings, options=["--resume"]).code == 0
    assert (tmp_path / "elsewhere").is_dir()


def test_a_disk_that_is_full_at_a_checkpoint_costs_no_more_than_an_epoch(
    asked, tmp_path, monkeypatch
):
    from lightning.fabric.plugins.io import torch_io

    asked(options=[])
    expected = read_tensors(tmp_path / "out" / "second" / "fold-1" / "model.safetensors")
    shutil.move(tmp_path / "out", tmp_path / "whole")
    saved = torch_io._atomic_save
    count = []

    def fails(*arguments):
        count.append(1)
        if len(count) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(*arguments)

    with monkeypatch.context() as full:
        full.setattr(torch_io, "_atomic_save", fails)
        error = asked().error()
    assert "out/first/fold-1/head-0/s: cannot be written (No space left on device)" in error
    assert "--resume goes on from the last finished epoch" in error
    assert not list((tmp_path / "out").rglob("*.safetensors"))
    assert asked(options=["--resume"]).code == 0
    found = read_tensors(tmp_path / "out" / "second" / "fold-1" / "model.safetensors")
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
