import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from foregaze.cli import options as cli_options
from foregaze.cli import scanpaths as command
from foregaze.cli import scanpaths_batch
from foregaze.data import load_dataset
from foregaze.errors import OutputError
from foregaze.evaluation.scanpath_csv import read_scanpaths
from foregaze.inference import conditional, zoo
from foregaze.viz import scanpaths_timing
from tests.cli.viewer import ViewerModel
from tests.inference.toy_deepgaze import save_toy

PIXELS = ("--pixels-per-degree", "35")
ALL = [f"--picture={name}" for name in ("numbered", "steps", "samples", "animation")]


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def draw(run, model, monkeypatch):
    """Run the command with a model that has durations."""
    monkeypatch.setattr(zoo, "load_model", lambda name, **options: model)
    return lambda *arguments: run("scanpaths", *arguments)


@pytest.fixture(scope="module")
def toy3(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("toy") / "toy3.safetensors", "deepgaze3")


@pytest.fixture
def stimulus(osie_root, tmp_path):
    return shutil.copy(osie_root / "stimuli" / "1002.jpg", tmp_path / "1002.jpg")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def steps_drawn(monkeypatch):
    """What steps were drawn from, instead of pictures."""
    calls = []

    def draw_steps(pixels, scanpath, conditional, *, first, title):
        calls.append((scanpath, first, title))

    monkeypatch.setattr(scanpaths_batch, "draw_steps", draw_steps)
    monkeypatch.setattr(scanpaths_batch, "save_figure", lambda figure, path: path.touch())
    return calls


def test_numbered_scanpaths_are_drawn_by_default(draw, photo, tmp_path):
    outcome = draw(photo)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "foregaze-output/photo-scanpaths.png\n"
    with Image.open(tmp_path / "foregaze-output" / "photo-scanpaths.png") as picture:
        assert picture.width > 100


def test_all_pictures_and_the_table_are_written(draw, stimulus, osie_root, tmp_path):
    outcome = draw(stimulus, *ALL, "--csv", "--observers", f"osie={osie_root}", "--output", "a/b")
    assert (outcome.code, outcome.err) == (0, "")
    assert names_in(tmp_path / "a" / "b") == [
        "1002-samples.png",
        "1002-scanpaths.csv",
        "1002-scanpaths.gif",
        "1002-scanpaths.png",
        "1002-steps.png",
    ]
    read = read_scanpaths(
        tmp_path / "a" / "b" / "1002-scanpaths.csv", load_dataset("osie", osie_root)
    )
    assert [len(one) for one in read[1]] == [8] * 10
    assert (read[1][0].duration_ms == 250).all()


def test_the_animation_is_of_the_first_sample(draw, photo, tmp_path):
    assert draw(photo, "--picture", "animation", "--seconds", "1").code == 0
    with Image.open(tmp_path / "foregaze-output" / "photo-scanpaths.gif") as animation:
        lasting = 0
        for number in range(animation.n_frames):
            animation.seek(number)
            lasting += animation.info["duration"]
    assert lasting == 1000


def test_the_most_typical_of_more_samples_are_drawn(draw, model, photo, tmp_path):
    options = ("--scanpaths", "2", "--length", "4", "--csv")
    assert draw(photo, *options, "--typical", "0.1", "--output", "typical").code == 0
    assert draw(photo, *options[2:], "--scanpaths", "20", "--output", "all").code == 0
    kept, drawn = (
        {tuple(row[c] for c in "xy") for row in rows_of(tmp_path / name / "photo-scanpaths.csv")}
        for name in ("typical", "all")
    )
    assert len(kept) == 8
    assert kept < drawn


def test_it_is_said_that_typical_scanpaths_are_no_samples(draw, photo):
    typical = draw(photo, "--typical", "0.5", "--scanpaths", "3", "--length", "4")
    assert "of 6 sampled scanpaths these are the 3 most typical: read no" in typical.err
    assert draw(photo, "--length", "4", "--overwrite").err == ""


def test_titles_say_that_scanpaths_are_typical(draw, photo, steps_drawn):
    assert draw(photo, "--picture", "steps", "--typical", "0.5", "--scanpaths", "3").code == 0
    assert steps_drawn[0][2] == "photo.png, sampled scanpath 1 (most typical of 6)"


def test_a_share_that_takes_very_many_samples_is_refused(draw, photo):
    outcome = draw(photo, "--typical", "0.0001", "--scanpaths", "10")
    assert outcome.code == 2
    assert "0.0001 of the samples are 10 only if 100,000 are drawn; the limit is" in outcome.err


def test_limits_are_those_of_what_the_command_calls():
    assert command.LONGEST_ANIMATION == scanpaths_timing.MOST_FIXATIONS
    assert cli_options.MOST_SECONDS == conditional.MOST_SECONDS


def test_an_animation_that_would_be_too_long_is_refused_before_any_work(draw, photo, model):
    model._on = None
    outcome = draw(photo, "--picture", "animation", "--length", "101")
    assert outcome.code == 2
    assert "--length: 101 fixations, expected at most 100 for an animation" in outcome.err


@pytest.mark.parametrize("share", ["0", "1.5", "nan"])
def test_a_share_that_cannot_be_is_refused(draw, photo, share):
    outcome = draw(photo, "--typical", share)
    assert outcome.code == 2
    assert f"{share}, expected a share above 0, such as 0.1, and at most 1" in outcome.err


def test_length_number_and_seed_reach_the_samples(draw, photo, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = ("--scanpaths", "3", "--length", "2", "--seed", str(seed), "--csv")
        assert draw(photo, *options, "--output", folder).code == 0
    rows = rows_of(tmp_path / "a" / "photo-scanpaths.csv")
    assert [(row["observer"], row["order"]) for row in rows] == [
        (observer, order) for observer in "012" for order in "01"
    ]
    tables = [(tmp_path / folder / "photo-scanpaths.csv").read_text() for folder in "abc"]
    assert tables[0] == tables[1] != tables[2]


def test_steps_follow_the_first_sample_or_the_observer_that_is_asked_for(
    draw, stimulus, osie_root, steps_drawn
):
    steps = (stimulus, "--picture", "steps", "--overwrite")
    observers = ("--observers", f"osie={osie_root}")
    for options in ((), observers, (*observers, "--observer", "3")):
        assert draw(*steps, *options).code == 0
    dataset = load_dataset("osie", osie_root)
    on_image = dataset.on_image(1)
    (sample, *_), (zeroth, *_), (third, *_) = steps_drawn
    assert (sample.duration_ms == 250).all()
    np.testing.assert_array_equal(zeroth.x, on_image.x[on_image.observer == 0])
    np.testing.assert_array_equal(third.x, on_image.x[on_image.observer == 3])
    assert [title for _, _, title in steps_drawn] == [
        "1002.jpg, sampled scanpath 1",
        "1002.jpg, observer 0",
        "1002.jpg, observer 3",
    ]


@pytest.mark.parametrize(("starts", "first"), [(True, 0), (False, 1)])
def test_the_first_fixation_is_a_step_only_of_models_that_predict_it(
    draw, photo, steps_drawn, model, starts, first
):
    model.starts = starts
    assert draw(photo, "--picture", "steps").code == 0
    assert [call[1] for call in steps_drawn] == [first]


def test_a_model_without_starts_leads_scanpaths_by_the_center(run, photo, tmp_path, toy3):
    outcome = run("scanpaths", photo, "--model", toy3, "--csv", "--length", "2", *PIXELS)
    assert outcome.code == 0
    assert outcome.err.endswith("past fixations: scanpaths start at the image's center\n")
    rows = rows_of(tmp_path / "foregaze-output" / "photo-scanpaths.csv")
    assert [(row["x"], row["y"], row["duration_ms"]) for row in rows[::3]] == [
        ("40.000", "30.000", "")
    ] * 10


def test_a_model_without_history_draws_independent_fixations(run, photo, tiny_checkpoint):
    outcome = run("scanpaths", photo, "--model", tiny_checkpoint, "--picture", "steps")
    assert outcome.code == 0
    assert "are drawn independently from the density" in outcome.err


def test_seconds_are_refused_by_a_model_without_durations(run, photo, tmp_path, toy3):
    outcome = run("scanpaths", photo, "--model", toy3, "--seconds", "3", *PIXELS)
    assert "give a length, not seconds" in outcome.error()
    assert not (tmp_path / "foregaze-output").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--picture", "samples"), "give --observers NAME=DIR"),
        (("--observer", "2"), "it goes with --observers"),
        (("--observers", "osie"), "'osie', expected NAME=DIR"),
        (("--observers", "osei=x"), "unknown data set 'osei'"),
        (("--length", "3", "--seconds", "2"), "with --seconds, leave out --length"),
        (("--seconds", "0"), "0, expected a positive number"),
        (("--seconds", "nan"), "nan, expected a positive number"),
        (("--seconds", "1e9"), "expected at most 600"),
        (("--pixels-per-degree", "-1"), "-1, expected a positive number"),
        (("--scanpaths", "0"), "greater than or equal to 1"),
        (("--picture", "movie"), "'movie' is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_refused(draw, photo, tmp_path, options, message):
    assert message in draw(photo, *options).error()
    assert not (tmp_path / "foregaze-output").exists()


def test_an_image_or_an_observer_that_the_data_set_has_not_is_refused(
    draw, photo, stimulus, osie_root, tmp_path
):
    observers = ("--observers", f"osie={osie_root}")
    assert "osie has no image of this name" in draw(photo, *observers).error()
    assert "no observer 15" in draw(stimulus, *observers, "--observer", "15").error()
    assert not (tmp_path / "foregaze-output").exists()


def test_images_of_a_batch_that_cannot_be_used_are_skipped(
    draw, photo, stimulus, osie_root, tmp_path
):
    outcome = draw(photo, stimulus, "missing.png", "--observers", f"osie={osie_root}")
    assert outcome.code == 1
    assert outcome.out == "foregaze-output/1002-scanpaths.png\n"
    assert "skipped: missing.png: no such file" in outcome.err
    assert "photo.png: osie has no image of this name" in outcome.err


def test_earlier_results_are_replaced_only_on_demand(draw, photo, tmp_path):
    output = tmp_path / "foregaze-output"
    output.mkdir()
    (output / "photo-scanpaths.png").write_text("earlier")
    assert "photo-scanpaths.png: exists already" in draw(photo).error()
    assert (output / "photo-scanpaths.png").read_text() == "earlier"
    assert draw(photo, "--overwrite").code == 0
    with Image.open(output / "photo-scanpaths.png") as picture:
        assert picture.format == "PNG"


def test_an_input_is_never_replaced(draw, photo, tmp_path):
    other = photo.rename(photo.with_name("photo-scanpaths.png"))
    twin = shutil.copy(other, photo.with_name("photo.png"))
    error = draw(twin, other, "--output", photo.parent, "--overwrite").error()
    assert "would replace the input" in error


def test_an_error_leaves_nothing_half_written(draw, photo, tmp_path, monkeypatch):
    def fail(figure, path):
        path.write_text("half")
        raise OutputError("no space left")

    monkeypatch.setattr(scanpaths_batch, "save_figure", fail)
    assert "no space left" in draw(photo, "--csv").error()
    assert not (tmp_path / "foregaze-output").exists()
