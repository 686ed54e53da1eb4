import json

import numpy as np
import pytest

from foregaze.data.areas import read_areas
from foregaze.errors import ConfigError, DataError

SIZE = (60, 80)


def shape(label, points, kind="polygon", group=None):
    return {"label": label, "points": points, "shape_type": kind, "group_id": group, "flags": {}}


def box(label, x, group=None):
    return shape(label, [[x + 10, 20], [x, 10]], "rectangle", group)


@pytest.fixture
def read(tmp_path):
    def save_and_read(*shapes, **keys):
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": shapes,
            "imagePath": "a.jpg",
            "imageData": None,
            "imageHeight": 60,
            "imageWidth": 80,
            **keys,
        }
        path = tmp_path / "a.json"
        path.write_text(json.dumps(content))
        return {area.name: area for area in read_areas(path, SIZE)}

    return save_and_read


def test_rectangles_polygons_and_circles_are_read(read):
    areas = read(
        box("logo", 5),
        shape("face", [[0, 0], [20, 0], [20, 20]]),
        shape("clock", [[40, 30], [40, 40]], "circle"),
        shape("sign", [[50, 0], [60, 0], [60, 5], [50, 5]], "rectangle"),
    )
    assert list(areas) == ["logo", "face", "clock", "sign"]
    assert areas["logo"].geometry.bounds == (5, 10, 15, 20)
    assert areas["face"].area_px == 200
    assert areas["clock"].area_px == pytest.approx(100 * np.pi, rel=1e-3)
    assert areas["sign"].area_px == 50


def test_shapes_of_one_label_are_numbered(read):
    areas = read(box("person", 0), box("dog", 20), box("person", 40))
    assert list(areas) == ["person 1", "dog", "person 2"]
    assert areas["person 2"].geometry.bounds[0] == 40


def test_shapes_of_one_label_and_group_are_one_area(read):
    areas = read(box("person", 0, 1), box("person", 20, 1), box("person", 40, 2), box("dog", 60, 1))
    assert {name: area.area_px for name, area in areas.items()} == {
        "person 1": 200,
        "person 2": 100,
        "dog": 100,
    }


def test_early_files_without_types_and_sizes_hold_polygons(read):
    early = {"label": "a", "points": [[0, 0], [20, 0], [20, 20]]}
    assert read(early, imageHeight=None, imageWidth=None)["a"].area_px == 200


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (shape("a", [[1, 1]], "point"), "shape 'a' is a 'point'; areas are made of circle, poly"),
        (shape("a", [[1, 1], [2, 2]], "line"), "shape 'a' is a 'line'"),
        (shape("a", [[1, 1]], "rectangle"), "'a' is a rectangle of 1 points; expected two opp"),
        (shape("a", [[1, 1]], "circle"), "'a' is a circle of 1 points; expected two: its center"),
        (shape("a", [[1, 1], [1, 1]], "circle"), "'a' is a circle of radius 0"),
        (shape("a", [[1, 1], [9, 1]], "rectangle"), "'a' is a rectangle of width 8 and height 0"),
        (shape("a", [[0, 0], [9, 9], [9, 0], [0, 9]]), "outline of area 'a' crosses itself at"),
    ],
)
def test_shapes_that_are_no_areas_are_refused(read, given, message):
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        read(given)


def test_a_file_about_an_image_of_another_size_is_refused(read):
    with pytest.raises(DataError, match=r"an image of 80x61 px, and this one has 80x60 px"):
        read(box("a", 0), imageHeight=61)


def test_a_file_without_shapes_is_refused(read):
    with pytest.raises(DataError, match="no areas; give at least one"):
        read()


def test_wrong_values_are_refused(read):
    with pytest.raises(ConfigError, match=r"shapes.0.points.1.0: .*given: 'x'"):
        read(shape("a", [[0, 0], ["x", 1], [2, 3]]))
    with pytest.raises(ConfigError, match=r"key 'shapes.0.label' is missing"):
        read({"points": []})
