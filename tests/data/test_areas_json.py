import json

import pytest

from foregaze.data.areas import read_areas
from foregaze.data.areas_json import read_json_areas
from foregaze.errors import ConfigError, DataError

SIZE = (60, 80)
LOGO = {"name": "logo", "rectangle": [10, 20, 30, 5]}


@pytest.fixture
def saved(tmp_path):
    def save(content):
        path = tmp_path / "areas.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return save


def test_rectangles_and_polygons_are_read_in_pixels(saved):
    square = [[0, 0], [20, 0], [20, 20], [0, 20]]
    hole = [[5, 5], [10, 5], [10, 10.0]]
    path = saved({"areas": [LOGO, {"name": "face", "polygon": square, "holes": [hole]}]})
    logo, face = read_json_areas(path, SIZE, None)
    assert (logo.name, logo.geometry.bounds) == ("logo", (10, 20, 40, 25))
    assert (face.name, face.area_px) == ("face", 400 - 12.5)


def test_fractions_are_of_width_and_height(saved):
    path = saved(
        {
            "units": "fraction",
            "areas": [
                {"name": "a", "rectangle": [0.5, 0.5, 0.25, 0.1]},
                {"name": "b", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]},
            ],
        }
    )
    a, b = read_json_areas(path, SIZE, None)
    assert a.geometry.bounds == (40, 30, 60, 36)
    assert b.area_px == 60 * 80


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"areas": []}, "no areas; give at least one"),
        ({"areas": [LOGO, LOGO]}, "2 areas are called 'logo'; give each its own name"),
        ({"areas": [{"name": "a"}]}, "area 'a' needs either a 'rectangle' or a 'polygon'"),
        ({"areas": [{**LOGO, "polygon": [[0, 0]]}]}, "'logo' needs either a 'rectangle' or"),
        ({"areas": [{**LOGO, "holes": [[[0, 0]]]}]}, "'logo' is a rectangle; only polygons"),
        ({"areas": [{"name": "a", "polygon": [[0, 0], [5, 5]]}]}, "'a' is a polygon of 2 vert"),
        (
            {"areas": [{"name": "a", "polygon": [[0, 0], [9, 9], [9, 0], [0, 9]]}]},
            r"the outline of area 'a' crosses itself at \(4.5, 4.5\)",
        ),
        ({"areas": [{"name": "a", "rectangle": [200, 0, 5, 5]}]}, "area 'a' lies outside the"),
        ({"areas": [{"name": "a", "rectangle": [0, 0, 0, 5]}]}, "area 'a' is a rectangle of wid"),
        ('{"areas": [', "is damaged, or no JSON"),
        ('{"areas"\x00', "is damaged, or no JSON"),
        ("[" * 100_000, "is damaged, or no JSON"),
        ("[]", "is in no known form; expected the key 'areas' .* found none of these keys"),
        ({"boxes": []}, "expected the key 'areas' .*'shapes' .*COCO.*, found the keys 'boxes'"),
    ],
)
def test_wrong_areas_are_refused(saved, content, message):
    path = saved(content)
    with pytest.raises(DataError, match=rf"areas\.json: .*{message}"):
        read_areas(path, SIZE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"areas": [LOGO], "units": "cm"}, r"units: Input should be 'px' or 'fraction'.*'cm'"),
        ({"areas": [LOGO], "unit": "px"}, "unknown key 'unit'; known here: areas, units"),
        ({"areas": [{**LOGO, "box": 1}]}, r"unknown key 'areas.0.box'; known here: holes, name"),
        ({"areas": [{"name": "a", "rectangle": [1, 2, "3", 4]}]}, r"areas.0.rectangle.2: .*'3'"),
        ({"areas": [{"name": "a", "rectangle": [1, 2, 3]}]}, r"areas.0.rectangle.3"),
        ('{"areas": [{"name": "a", "rectangle": [NaN, 0, 1, 1]}]}', "finite number .given: nan"),
        ('{"areas": [{"name": "a", "rectangle": [0, 0, 1e999, 1]}]}', "finite number .given: inf"),
        ({"areas": [{"name": "", "rectangle": [0, 0, 1, 1]}]}, "areas.0.name: .*at least 1 char"),
        ({"areas": [{"rectangle": [0, 0, 1, 1]}]}, "key 'areas.0.name' is missing"),
        ({"areas": {"a": 1}}, "areas: Input should be a valid"),
    ],
)
def test_wrong_keys_and_values_are_refused(saved, content, message):
    path = saved(content)
    with pytest.raises(ConfigError, match=rf"areas\.json: .*{message}"):
        read_areas(path, SIZE)


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "areas.json").write_bytes(b'{"areas": "\xff"}')
    with pytest.raises(DataError, match="is damaged, or no JSON"):
        read_areas(tmp_path / "areas.json", SIZE)
