from pathlib import Path

import pytest

from foregaze.cli.batch import each_image
from foregaze.cli.predict_plan import Plan
from foregaze.errors import DataError, ImageError, OutputError


def plan(count, is_batch=True):
    images = tuple(Path(f"{number}.png") for number in range(count))
    return Plan(images, Path("out"), ("npy", "csv"), is_batch, ())


def failing_on(number, error):
    def work(image):
        if image.stem == str(number):
            raise error

    return work


def test_results_of_a_few_images_are_listed(capsys):
    assert each_image(plan(2), lambda image: None) == []
    assert capsys.readouterr().out == "out/0.npy\nout/0.csv\nout/1.npy\nout/1.csv\n"


def test_results_of_many_images_are_counted(capsys):
    problems = each_image(plan(9), failing_on(3, ImageError("3.png: bad")))
    assert problems == ["3.png: bad"]
    assert capsys.readouterr().out == "8 of 9 images: npy and csv files in out\n"


def test_only_errors_that_an_image_is_to_blame_for_are_skipped():
    with pytest.raises(OutputError, match="full"):
        each_image(plan(3), failing_on(1, OutputError("full")))
    with pytest.raises(DataError, match="no data"):
        each_image(plan(3), failing_on(1, DataError("no data")))
    assert each_image(plan(3), failing_on(1, DataError("no data")), (DataError,)) == ["no data"]


def test_the_only_image_is_never_skipped():
    with pytest.raises(ImageError, match="bad"):
        each_image(plan(1, is_batch=False), failing_on(0, ImageError("bad")))
