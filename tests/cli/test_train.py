import pytest
import yaml

from foregaze.evaluation import read_report
from foregaze.training import run as training


@pytest.fixture
def recipe(tmp_path, osie_root):
    path = tmp_path / "recipe.yaml"
    content = {
        "name": "toy",
        "branches": [
            {"name": "a", "config": {}, "stages": [{"name": "eye", "epochs": 1}]},
        ],
        "data": {"root": str(osie_root), "folds": 3},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_misspelt_key_is_refused_with_the_known_ones(run, recipe, tmp_path):
    recipe.write_text(recipe.read_text() + "worker: 3\n")
    error = run("train", recipe, "--output", "out").error()
    assert "unknown key 'worker'; known here: " in error
    assert "workers" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("workers", "--set 'workers': expected key=value"),
        ("branches.5.name=b", "there is no such place in the recipe"),
        ("data.fold=5", "unknown key 'data.fold'; known here: centerbias_sigma_px"),
        ("data.folds=many", "data.folds: Input should be a valid integer"),
        ("data.folds=1", "greater than or equal to 2 (given: 1)"),
    ],
)
def test_a_wrong_override_is_refused(run, recipe, tmp_path, setting, message):
    assert message in run("train", recipe, "--set", setting, "--output", "out").error()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"), [("a: [", "is not YAML"), ("- 1", "expected keys and values")]
)
def test_a_file_that_is_no_recipe_is_refused(run, tmp_path, content, message):
    (tmp_path / "bad.yaml").write_text(content)
    assert message in run("train", "bad.yaml", "--output", "out").error()


def test_a_missing_recipe_is_refused(run):
    assert "none.yaml: cannot be read" in run("train", "none.yaml", "--output", "out").error()


def test_an_output_that_is_not_empty_is_refused(run, recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    error = run("train", recipe, "--output", "out").error()
    assert "out: exists and is not empty; give another --output, or --resume" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_output_below_a_file_is_refused(run, recipe, tmp_path):
    (tmp_path / "taken").touch()
    assert "taken is not a folder" in run("train", recipe, "--output", "taken/out").error()


def test_negative_workers_are_refused(run, recipe):
    error = run("train", recipe, "--output", "out", "--workers", "0").error()
    assert "--workers" in error


def test_a_run_gets_its_options_and_ends_with_the_table(
    run, recipe, tmp_path, monkeypatch, tiny_checkpoint, osie_root
):
    run(
        *("evaluate", "--model", tiny_checkpoint, "--dataset", "osie"),
        *("--root", osie_root, "--json", "report.json"),
    )
    asked = {}

    def stand_in(resolved, output, *, resume, on_progress):
        asked.update(recipe=resolved, output=output, resume=resume)
        on_progress("epochs", 1, 3)
        return read_report(tmp_path / "report.json")

    monkeypatch.setattr(training, "train", stand_in)
    outcome = run(
        *("train", recipe, "--output", "out", "--resume", "--workers", "7"),
        *("--set", "data.folds=2", "--set", "name=other"),
    )
    assert outcome.code == 0
    assert (asked["recipe"].workers, asked["recipe"].data.folds) == (7, 2)
    assert (asked["recipe"].name, asked["resume"]) == ("other", True)
    assert "\nLL " in outcome.out
    assert "report: out/report.json" in outcome.out
    for part in ("fold-0", "fold-1", "all"):
        assert f"model ({part}): out/{part}/model.safetensors\n" in outcome.out
