"""Three phases of a toy model on a few of OSIE's images, run, interrupted and resumed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import scipy.io
import torch
import yaml

import foregaze
from foregaze.data import load_dataset
from foregaze.errors import ConfigError, OutputError
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.checkpoint_file import read_header, read_tensors
from foregaze.training import branch, fitting
from foregaze.training.branch import make_part
from foregaze.training.components import initial_model
from foregaze.training.pipeline import read_pipeline, resolve
from foregaze.training.pipeline_run import plan, run_pipeline
from foregaze.training.run import train
from tests.training.conftest import IMAGES
from tests.training.in_this_process import in_this_process
from tests.training.toy_guided import quiet

STAGES = ("mouse", "eye", "scanpaths")
PART = "fold-0"


def stage(name, after, epochs, **recipe):
    seen = {"histories_per_image": 3} if name == "scanpaths" else {}
    fitted = {"name": "s", "epochs": epochs, "warmup_steps": 0, "learning_rate": 1e-3, **seen}
    branches = [{"name": "head", "stages": [fitted]}]
    return {"name": name, "after": after, "recipe": {"name": name, "branches": branches, **recipe}}


@pytest.fixture(scope="module")
def brief_osie(small_osie, tmp_path_factory):
    """Its fixations too are those of the first images only, for they are read many times."""
    root = tmp_path_factory.mktemp("brief")
    shutil.copytree(small_osie, root, dirs_exist_ok=True)
    table = root / "eye" / "fixations.mat"
    scipy.io.savemat(table, {"fixations": scipy.io.loadmat(table)["fixations"][:IMAGES]})
    return root


@pytest.fixture(scope="module")
def content(brief_osie, tmp_path_factory):
    """Of the pipeline's file."""
    stores = tmp_path_factory.mktemp("stores")
    return {
        "name": "three phases",
        "base": {
            "architecture": "dinogaze-spade",
            "grid": {"input_size": [64, 96]},
            "model": {
                "backbones": [
                    {"name": "tf_efficientnet_lite0", "taps": ["2", "4"], "weights": "random:0"}
                ],
                "readout_factor": 16,
                "history": 0,
                "blur_sigma": 1.0,
                "spade_hidden": 4,
                "segmenter": "grid",
                "segmenter_settings": {"rows": 2, "columns": 3},
            },
            "data": {"root": str(brief_osie), "folds": 3},
            "parts": [PART],
            "metrics": ["LL"],
            "workers": 1,
            "store": str(stores / "features"),
            "segment_store": str(stores / "segments"),
            "trainer": {"accelerator": "cpu"},
        },
        "stages": [
            stage("mouse", None, 1, data={"name": "osie-mouse-lab"}),
            stage("eye", "mouse", 2, data={"validation_images": 2}),
            stage("scanpaths", "eye", 1, frozen=["saliency"], model={"history": 2}),
        ],
    }


@pytest.fixture
def pipeline_of(content, tmp_path):
    """The pipeline with some entries replaced."""

    def read(*overrides):
        path = tmp_path / "pipeline.yaml"
        path.write_text(yaml.safe_dump(content))
        return read_pipeline(path, overrides)

    return read


def run(pipeline, output, *, resume=False, on_stage=lambda finished, report: None):
    with in_this_process():
        run_pipeline(pipeline, output, resume=resume, on_progress=quiet, on_stage=on_stage)


@pytest.fixture(scope="module")
def whole(content, tmp_path_factory):
    """Folder of a run that nothing interrupted, and the stages with their reports."""
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(content))
    ended = []
    run(read_pipeline(path), folder / "out", on_stage=lambda *told: ended.append(told))
    return folder / "out", ended


def model_of(output, name):
    return output / name / PART / "model.safetensors"


def untouched(output):
    """Nothing was begun."""
    return not output.exists() or not list(output.iterdir())


def test_stages_run_in_order_and_are_told_with_their_reports(whole):
    output, ended = whole
    assert [finished.stage.name for finished, _ in ended] == list(STAGES)
    assert [report.images for _, report in ended] == [4, 4, 4]
    for name in STAGES:
        assert (output / name / "report.json").is_file()
        assert (output / name / "recipe.yaml").is_file()


def test_each_stage_goes_on_from_the_one_before(whole):
    output, _ = whole
    for before, after in pairwise(STAGES):
        start = read_header(model_of(output, after)).card["recipe"]["start"]
        assert start == {PART: str(model_of(output, before))}


def test_a_frozen_network_is_bit_identical_and_the_others_are_not(whole):
    output, _ = whole
    before, after = (read_tensors(model_of(output, name)) for name in STAGES[1:])
    frozen = [key for key in before if key.startswith("heads.0.saliency.")]
    assert len(frozen) > 5
    for key in frozen:
        assert torch.equal(before[key], after[key]), key
    moved = "heads.0.fixation_selection.layer1.weight"
    assert not torch.equal(before[moved], after[moved])
    first = read_tensors(model_of(output, "mouse"))
    assert any(not torch.equal(first[key], before[key]) for key in frozen)


def test_the_last_layer_of_the_saliency_network_can_be_trained_alone(whole, pipeline_of, tmp_path):
    output, _ = whole
    *_, scanpaths = resolve(pipeline_of("stages.2.recipe.frozen=[saliency-hidden]"), output)
    with in_this_process():
        train(scanpaths.recipe, tmp_path / "run", resume=False, on_progress=quiet)
    before, after = (
        read_tensors(path)
        for path in (model_of(output, "eye"), tmp_path / "run" / PART / "model.safetensors")
    )
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    saliency = {key for key in moved if key.startswith("heads.0.saliency.")}
    assert saliency == {key for key in before if key.startswith("heads.0.saliency.layers.2.")}
    assert "heads.0.fixation_selection.layer1.weight" in moved


def test_a_stage_begins_at_the_likelihood_of_the_model_before(whole, pipeline_of):
    """The model of the mouse traces on the validation images of the eye stage, computed anew."""
    output, _ = whole
    (_, eye, _) = resolve(pipeline_of(), output)
    recipe, dataset = eye.recipe, load_dataset("osie", eye.recipe.data.root)
    part = make_part(recipe, dataset, PART)

    def bits_of(model):
        (stage_,) = recipe.branches[0].stages
        module = branch._stage_module(recipe, eye.output, part, 0, stage_, 0, model)
        fitting._silence_lightning()
        trainer = fitting._trainer(module, recipe.trainer, output, [], logged=False)
        (found,) = trainer.validate(module, verbose=False)
        return found["validation/LL"]

    before = bits_of(load_checkpoint(model_of(output, "mouse")).model)
    assert bits_of(initial_model(recipe, 0, 0, part.held_out)) == before
    drawn = recipe.model_copy(update={"start": {}})
    assert abs(bits_of(initial_model(drawn, 0, 0, part.held_out)) - before) > 1e-4


def test_a_finished_pipeline_is_not_run_again(whole, pipeline_of):
    output, _ = whole
    times = {path: path.stat().st_mtime_ns for path in output.glob("*/fold-0/**/*")}
    assert len(times) > 20
    ended = []
    run(pipeline_of(), output, resume=True, on_stage=lambda *told: ended.append(told))
    assert [report.images for _, report in ended] == [4, 4, 4]
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/fold-0/**/*")} == times


def test_another_pipeline_in_the_folder_is_refused(whole, pipeline_of):
    output, _ = whole
    with pytest.raises(OutputError, match="exists and is not empty; give another --output, or"):
        run(pipeline_of(), output)
    for change in (
        "stages.2.recipe.frozen=[]",
        "base.data.centerbias_sigma_px=9",
        "stages.1.name=x",
    ):
        overrides = [change] if "name" not in change else [change, "stages.2.after=x"]
        with pytest.raises(ConfigError, match=r"begun with another pipeline: .* was .* and is "):
            run(pipeline_of(*overrides), output, resume=True)
    assert not (output / "x").exists()


def test_a_run_may_be_resumed_with_other_workers(whole, pipeline_of):
    output, _ = whole
    run(pipeline_of("base.workers=3", "name=renamed"), output, resume=True)


def test_a_run_may_be_resumed_under_another_name_of_its_folder(whole, pipeline_of, monkeypatch):
    output, _ = whole
    monkeypatch.chdir(output.parent)
    run(pipeline_of("base.segment_store=elsewhere"), Path(output.name), resume=True)


def test_the_plan_tells_sizes_inputs_and_states(whole, pipeline_of, tmp_path):
    output, _ = whole
    for folder, finished in ((tmp_path / "none", False), (output, True)):
        planned = plan(resolve(pipeline_of(), folder))
        assert [(p.stage, p.part) for p in planned] == [(name, PART) for name in STAGES]
        assert [p.dataset for p in planned] == ["osie-mouse_lab", "osie", "osie"]
        sizes = [(p.fit, p.validation, p.test) for p in planned]
        assert sizes == [(IMAGES - 4, 0, 4), (IMAGES - 6, 2, 4), (IMAGES - 4, 0, 4)]
        assert [p.epochs for p in planned] == [1, 2, 1]
        starts = [None, model_of(folder, "mouse"), model_of(folder, "eye")]
        assert [p.start for p in planned] == starts
        assert [p.frozen for p in planned] == [(), (), ("saliency",)]
        assert [p.model for p in planned] == [model_of(folder, name) for name in STAGES]
        assert [p.is_finished for p in planned] == [finished] * 3
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["stages.1.recipe.architecture=dinogaze"], "stage 'eye': "),
        (
            ["stages.1.recipe.model={spade_hidden: 5}"],
            "stage 'eye': cannot go on from stage 'mouse': .* has shape .*, expected",
        ),
        (
            ["stages.1.recipe.model={variant: B}"],
            "stage 'eye': cannot go on from stage 'mouse': its model: ",
        ),
        (
            [
                "stages.1.recipe.model={history: 2}",
                "stages.2.recipe.model={history: 0}",
                "stages.2.recipe.branches.0.stages.0.histories_per_image=0",
            ],
            "stage 'scanpaths': cannot go on from stage 'eye': its model: has a tensor "
            r"'heads\.0\.scanpath",
        ),
        (
            ["stages.1.recipe.model.semantic_tap=0"],
            "stage 'eye': cannot go on from stage 'mouse': its model: was trained with "
            "semantic_tap -1, and would go on with 0",
        ),
        (
            ["stages.1.recipe.model.backbones=[{name: tf_efficientnet_lite0, taps: ['2', '3']}]"],
            "stage 'eye': cannot go on from stage 'mouse': .* with backbones .*'4'.*'3'",
        ),
        (["stages.0.recipe.start={'': none.st}"], "stage 'mouse': none.st: no such checkpoint to"),
        (["stages.0.recipe.start={'': .}"], "stage 'mouse': .: is a folder, expected a file"),
        (["stages.2.recipe.data.folds=40"], "stage '.*': .*folds"),
        (["base.data.root=nowhere"], "stage 'mouse': nowhere/stimuli: no such folder"),
        (["stages.1.recipe.metrics=[LX]"], "stage 'eye': .*'LX'"),
        (["stages.1.recipe.trainer.accelerator=abacus"], "stage 'eye': trainer: .*'abacus'"),
        (
            ["stages.1.recipe.trainer.num_nodes=2"],
            "all stages run on as many machines, not 1, 2",
        ),
        (["base.trainer.num_nodes=2"], "trainer.num_nodes is 2: set NODE_RANK, MASTER_ADDR, MAST"),
        (["base.model.segmenter_settings={row: 2}"], "stage 'mouse': grid: unknown key 'row'"),
    ],
)
def test_what_does_not_fit_is_found_before_any_work(pipeline_of, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        run(pipeline_of(*overrides), tmp_path / "out")
    assert untouched(tmp_path / "out")


@pytest.fixture
def start(tmp_path):
    """Start `foregaze run` in a session of its own; ended after the test if need be."""
    started = []

    def start_process(path, output):
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from foregaze.cli.main import main; main()", "run"),
                *(path, "--output", output),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(foregaze.__file__).parents[1])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_process
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def members(session):
    """Processes of a session that are not yet gone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(of) == session and state != "Z":
            found.append(int(folder.name))
    return found


def wait_until(fact, seconds):
    limit = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="lists processes through /proc")
def test_a_killed_pipeline_resumes_to_the_same_tensors(whole, content, pipeline_of, start):
    """The parent is killed with -9 in the second stage; its workers end by themselves."""
    output, _ = whole
    folder = output.parent / "killed"
    pipeline = pipeline_of("name=killed")
    path = output.parent / "killed.yaml"
    path.write_text(yaml.safe_dump({**content, "name": "killed"}))
    process = start(path, folder)
    wait_until(lambda: (folder / "eye" / PART / "head-0" / "s" / "last.ckpt").exists(), 300)
    time.sleep(random.Random(7).uniform(0, 0.2))
    assert len(members(process.pid)) > 1
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not members(process.pid), 60)
    assert not (folder / "scanpaths").exists()
    assert not model_of(folder, "eye").exists()
    run(pipeline, folder, resume=True)
    for name in STAGES:
        expected, found = (read_tensors(model_of(out, name)) for out in (output, folder))
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            assert torch.equal(found[key], tensor), (name, key)
