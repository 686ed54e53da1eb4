"""A data set of three images in the plain form."""

from pathlib import Path

import pyarrow
from PIL import Image
from pyarrow import parquet

SIZES = {"b.png": (30, 40), "in/a10.jpg": (20, 50), "in/a9.webp": (20, 50)}
HEAD = "image,observer,x,y\n"
CSV = """\
image,observer,x,y
b.png,2,1.5,2.5
in/a9.webp,10,49.9,19.9
b.png,10,3,4
b.png,2,5.5,6.5
"""


def write_plain(root: Path, table: str = CSV, settings: str | None = None) -> Path:
    for name, size in SIZES.items():
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size[::-1]).save(path)
    (root / "fixations.csv").write_text(table, encoding="utf-8")
    if settings is not None:
        (root / "dataset.yaml").write_text(settings, encoding="utf-8")
    return root


def write_parquet(root: Path, **columns: object) -> Path:
    write_plain(root)
    (root / "fixations.csv").unlink()
    parquet.write_table(pyarrow.table(columns), root / "fixations.parquet")
    return root
