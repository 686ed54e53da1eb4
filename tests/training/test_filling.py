"""What is computed before training begins."""

import shutil
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from foregaze.data import load_dataset
from foregaze.errors import DataError, OutputError
from foregaze.training import filling
from foregaze.training.branch import make_part, stored_features
from foregaze.training.frames import View
from foregaze.training.segments import SEGMENT_KEYS, read_segment_keys
from tests.training.toy_guided import guided, quiet


class InThisProcess(ProcessPoolExecutor):
    """A pool that does what it is given at once."""

    def __init__(self):
        super().__init__(1)  # it starts no process until it is given work
        self.submitted = 0

    def submit(self, call, *given):
        self.submitted += 1
        job = Future()
        try:
            job.set_result(call(*given))
        except Exception as error:
            job.set_exception(error)
        return job


@pytest.fixture(scope="module")
def dataset(small_osie):
    return load_dataset("osie", small_osie)


@pytest.fixture
def recipe(small_osie, tmp_path):
    data = {"folds": 3, "variants": 1, "mirror": False, "validation_images": 1}
    return guided(small_osie, tmp_path, "dinogaze-spade", data=data)


@pytest.fixture
def pool():
    return InThisProcess()


def filled(recipe, dataset, pool, names=("fold-0",), on_progress=quiet):
    parts = [make_part(recipe, dataset, name) for name in names]
    filling.fill_features(recipe, dataset, parts, pool, on_progress)
    return parts


def test_features_of_all_views_that_a_part_shows_are_there(recipe, dataset, pool):
    (part,) = filled(recipe, dataset, pool)
    features = stored_features(recipe, part, 0, dataset)
    shown = [View(i, False, (), v) for i in part.fit for v in (0, 1)]
    shown += [View(i, False) for i in part.validation + part.test]
    assert features.missing(shown) == []
    assert len(features.store) == 2 * len(shown)  # taps; and nothing else
    features.store.close()


def test_what_is_there_is_not_computed_again(recipe, dataset, pool):
    filled(recipe, dataset, pool)
    submitted = pool.submitted
    filled(recipe, dataset, pool)
    assert pool.submitted == submitted


def test_parts_share_what_they_both_show(recipe, dataset, pool):
    calls = []
    names = ("fold-0", "fold-1")
    first, second = filled(recipe, dataset, pool, names, lambda *x: calls.append(x))
    features = stored_features(recipe, first, 0, dataset)
    both = set(first.fit) | set(second.fit)
    others = set(range(len(dataset))) - both
    assert len(features.store) == 2 * (2 * len(both) + len(others))
    assert calls[-1][1] == calls[-1][2] == pool.submitted
    features.store.close()


class _Usage:
    free = 500_000_000


def test_too_little_room_is_an_error_before_features_are_computed(
    recipe, dataset, pool, monkeypatch
):
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or _Usage)
    with pytest.raises(OutputError, match=r"features of 19 views need .* GB.*--set store=DIR"):
        filled(recipe, dataset, pool)
    assert asked == [recipe.store]
    assert pool.submitted == 0
    _Usage.free += 10**9
    filled(recipe, dataset, pool)
    assert pool.submitted


def test_segments_of_all_images_are_written_with_their_keys(recipe, dataset, pool, tmp_path):
    output = tmp_path / "run"
    output.mkdir()
    filling.fill_segments(recipe, dataset, output, pool, quiet)
    assert set(read_segment_keys(output)) == set(dataset.stimuli.names)


def test_models_without_segments_get_none(recipe, small_osie, dataset, pool, tmp_path):
    plain = guided(small_osie, tmp_path)
    filling.fill_segments(plain, dataset, tmp_path, pool, quiet)
    assert not (tmp_path / SEGMENT_KEYS).exists()
    assert pool.submitted == 0


def test_the_first_error_of_a_job_ends_the_run(recipe, dataset, pool, tmp_path):
    wrong = recipe.model_copy(update={"model": recipe.model | {"most_segments": 2}})
    with pytest.raises(DataError, match="set most_segments, or fewer segments"):
        filling.fill_segments(wrong, dataset, tmp_path, pool, quiet)
    assert not (tmp_path / SEGMENT_KEYS).exists()
