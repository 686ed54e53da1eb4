import pytest

from foregaze.data.areas import read_areas
from foregaze.data.areas_csv import read_csv_areas
from foregaze.errors import DataError

SIZE = (60, 80)


@pytest.fixture
def table(tmp_path):
    def write(*lines):
        path = tmp_path / "areas.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def test_rectangles_have_a_row_each(table):
    path = table("name,x,y,width,height", "logo,10,20,30,5", '"a, b",0,0,2.5,2')
    areas = read_csv_areas(path, SIZE)
    assert [(a.name, a.area_px) for a in areas] == [("logo", 150), ("a, b", 5)]
    assert areas[0].geometry.bounds == (10, 20, 40, 25)


def test_polygons_have_a_row_for_each_vertex(table):
    path = table(
        "name,x,y", "b,0,0", "b,10,0", "b,10,10", "a,20,20", "a,30,20", "a,30,30", "a,20,30"
    )
    assert [(a.name, a.area_px) for a in read_csv_areas(path, SIZE)] == [("b", 50), ("a", 100)]


def test_a_column_puts_vertices_in_order(table):
    path = table(
        *("x,y,name,vertex", "0,0,a,1", "20,20,b,7", "10,10,a,3", "10,0,a,2"),
        *("30,20,b,8", "0,10,a,4", "30,30,b,9"),
    )
    assert [(a.name, a.area_px) for a in read_csv_areas(path, SIZE)] == [("a", 100), ("b", 50)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,x,y,width,height"], "no areas; give at least one"),
        (["name,x,y,width", "a,1,1,5"], "has the columns name, x, y, width; expected name,x,y,"),
        (["name,x,y,width,height,vertex", "a,1,1,5,5,1"], "has the columns .*vertex; expected"),
        (["label,x,y", "a,1,1"], "column 'name' is missing; needed are name, x, y"),
        (["name,x,y,w,h", "a,1,1,2,2"], "unknown column 'w'; known are name, x, y, width, height"),
        (["name,x,y,width,height", "a,1,1,nan,5"], "row 1 has width nan, expected a number"),
        (["name,x,y,width,height", "a,inf,1,5,5"], "row 1 has x inf, expected a number"),
        (["name,x,y,width,height", "a,left,1,5,5"], "row 1 has x 'left', expected a number"),
        (["name,x,y,width,height", ",1,1,5,5"], "row 1 has no name"),
        (["name,x,y,width,height", "a,1,1,0,5"], "area 'a' is a rectangle of width 0 and height 5"),
        (["name,x,y,width,height", "a,1,1,2,2", "a,5,5,2,2"], "2 areas are called 'a'"),
        (["name,x,y", "a,1,1", "a,2,2"], "area 'a' is a polygon of 2 vertices"),
        (
            ["name,x,y", "a,1,1", "a,2,2", "b,1,1", "a,2,9"],
            "area 'a' goes on in row 4 after another one",
        ),
        (
            ["name,x,y,vertex", "a,1,1,1", "a,5,1,2", "a,5,5,2"],
            "area 'a' has one number in the column vertex twice",
        ),
        (["name,x,y,vertex", "a,1,1,1.5"], "row 1 has vertex 1.5, expected a whole number"),
        (["name,x,y,width,height", "a,1"], "is not a readable CSV file"),
    ],
)
def test_wrong_tables_are_refused(table, lines, message):
    path = table(*lines)
    with pytest.raises(DataError, match=rf"areas\.csv: {message}"):
        read_areas(path, SIZE)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "areas.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"areas\.csv: is not a readable CSV file"):
        read_areas(tmp_path / "areas.csv", SIZE)
