import json

import numpy as np
import pytest

from foregaze.data.areas import read_areas
from foregaze.errors import ConfigError, DataError

SIZE = (6, 8)
SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]
RUNS = {"size": [6, 8], "counts": [6, 3, 39]}  # the upper half of column 1


def annotation(number, segmentation=None, image=7, **keys):
    return {
        "id": number,
        "image_id": image,
        "category_id": 3,
        "segmentation": segmentation,
        "bbox": [0, 0, 2, 5],
        "area": 1.0,
        "iscrowd": 0,
        **keys,
    }


@pytest.fixture
def read(tmp_path):
    def save_and_read(*annotations, image="b.jpg", **keys):
        content = {
            "info": {},
            "images": [
                {"id": 6, "file_name": "a.jpg", "height": 6, "width": 8},
                {"id": 7, "file_name": "train/b.jpg", "height": 6, "width": 8, "license": 1},
            ],
            "categories": [{"id": 3, "name": "dog", "supercategory": "animal"}],
            "annotations": list(annotations),
            **keys,
        }
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(content))
        return read_areas(path, SIZE, image)

    return save_and_read


def test_polygons_are_parts_of_one_area(read):
    (area,) = read(annotation(17, [SQUARE, [5, 0, 7, 0, 7, 2]]))
    assert (area.name, area.area_px) == ("dog 17", 9 + 2)


def test_runs_are_pixels(read):
    for counts in (RUNS["counts"], "63W1"):
        (area,) = read(annotation(1, {**RUNS, "counts": counts}))
        rows, columns = np.nonzero(area.segments)
        assert (rows.tolist(), columns.tolist()) == ([0, 1, 2], [1, 1, 1])


def test_an_annotation_without_segmentation_is_its_box(read):
    assert [area.area_px for area in read(annotation(1), annotation(2, []))] == [10, 10]


def test_only_annotations_on_the_image_are_read(read):
    other = annotation(2, [[0]], image=6)  # is not even looked at
    assert [area.name for area in read(annotation(1), other)] == ["dog 1"]


def test_the_only_image_needs_no_name(read):
    only = [{"id": 7, "file_name": "c.jpg"}]
    assert len(read(annotation(1), image=None, images=only)) == 1


def test_annotations_without_categories_are_areas(read):
    areas = read(annotation(1, category_id=None), annotation(2, category_id=None), categories=[])
    assert [area.name for area in areas] == ["area 1", "area 2"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            "c.jpg",
            r"has no images called 'c.jpg', expected one; its images: 'a.jpg', 'train/b.jpg'",
        ),
        (None, "has several images, expected one; its images: 'a.jpg'"),
        ("a.jpg", "has no annotations on image 'a.jpg'"),
    ],
)
def test_an_image_that_is_not_there_is_refused(read, image, message):
    with pytest.raises(DataError, match=rf"coco\.json: {message}"):
        read(annotation(1), image=image)


def test_an_image_of_another_size_is_refused(read):
    images = [{"id": 7, "file_name": "b.jpg", "height": 8, "width": 6}]
    with pytest.raises(DataError, match=r"an image of 6x8 px, and this one has 8x6 px \(W x H\)"):
        read(annotation(1), images=images)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (annotation(1, [[1, 1, 4, 1, 4]]), "'dog 1' has a polygon of 5 numbers, not x, y"),
        (annotation(1, [[1, 1, 4, 4]]), "'dog 1' is a polygon of 2 vertices"),
        (annotation(1, [[1, 1, 4, 4, 4, 1, 1, 4]]), "'dog 1' crosses itself at .2.5, 2.5"),
        (annotation(1, [[10, 1, 14, 4, 14, 1]]), "'dog 1' lies outside the image"),
        (annotation(1, {**RUNS, "size": [8, 6]}), "'dog 1' has run lengths for 6x8 px"),
        (annotation(1, {**RUNS, "counts": [5]}), "damaged run lengths .they add up to 5"),
        (annotation(1, {**RUNS, "counts": "63W"}), "damaged run lengths .they end within"),
        (annotation(1, {**RUNS, "counts": [48]}), "'dog 1' has no area: none of its pixels"),
        (annotation(1, bbox=None), "'dog 1' has neither a segmentation nor a bbox"),
        (annotation(1, bbox=[0, 0, 0, 1]), "'dog 1' is a rectangle of width 0"),
        (annotation(1, category_id=4), "annotation 1 has category 4, which is not among"),
    ],
)
def test_annotations_that_are_no_areas_are_refused(read, given, message):
    with pytest.raises(DataError, match=rf"coco\.json: .*{message}"):
        read(given)


def test_two_annotations_of_one_number_are_refused(read):
    with pytest.raises(DataError, match="2 areas are called 'dog 1'"):
        read(annotation(1), annotation(1))


def test_wrong_values_are_refused(read):
    with pytest.raises(ConfigError, match=r"annotations\.0\.segmentation"):
        read(annotation(1, [["x", 1, 2, 3, 4, 5]]))
    with pytest.raises(ConfigError, match=r"key 'annotations.0.image_id' is missing"):
        read({"id": 1})
    with pytest.raises(DataError, match="has dict as 'annotations', expected a list"):
        read(annotations={})
