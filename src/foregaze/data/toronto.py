"""Toronto: 120 photographs of 681x511, 20 observers, four seconds of free viewing.

Bruce & Tsotsos (2005), "Saliency based on information maximization", NIPS; (2009), Journal of
Vision 9(3):5. Layout of eyetrackingdata.zip, of which these are used: `fixdens/Original Image
Set/N.jpg`, N from 1, and `fixdens/origfixdata.mat` with the cell `white`: for image N a binary map
of all fixations.

A pixel of the map becomes its center. Observers and order are not in the map (the folder `Raw` has
them, but not in pixels of the image): every fixation has observer 0 and order 0, and no history.
Durations and pixels per degree are not known.
"""

from pathlib import Path
from typing import Any

import numpy as np

from foregaze.data.matlab import read_cells
from foregaze.data.published import Published, place_of
from foregaze.data.tables import Table, join_tables, unordered_table
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Stimuli

SIZE = (511, 681)
IMAGE_FOLDER = "Original Image Set"
LAYOUT = """\
eyetrackingdata/fixdens/Original Image Set/N.jpg    from eyetrackingdata.zip, N from 1 to 120
eyetrackingdata/fixdens/origfixdata.mat             maps of all fixations
"""
PUBLISHED = Published(
    title="Toronto",
    where_from=(
        "Toronto's folder eyetrackingdata/fixdens/ holds Original Image Set/*.jpg and "
        "origfixdata.mat, from http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip"
    ),
    images=120,
)


def load_toronto(root: str | Path) -> EyeTrackingDataset:
    """Toronto's stimuli with their fixations, of unknown observers and order.

    Args:
        root: fixdens/, eyetrackingdata/ or the folder around it; images may be fewer than 120.

    Raises:
        DataError: If a file is missing, damaged, or does not hold what Toronto publishes.
        ImageError: If a stimulus is no readable image.
    """
    root = Path(root)
    if not (root / IMAGE_FOLDER).is_dir():
        root = PUBLISHED.find_folder(root, "fixdens") / "fixdens"
    paths = PUBLISHED.image_paths(root / IMAGE_FOLDER)
    sizes = PUBLISHED.same_size(paths, SIZE)
    path = root / "origfixdata.mat"
    maps = read_cells(path, "white", PUBLISHED)
    tables = [_table(path, maps, place_of(image, len(maps), path)) for image in paths]
    return EyeTrackingDataset(
        name="toronto",
        stimuli=Stimuli(tuple(paths), sizes, read_image),
        fixations=join_tables(tables),
        starts_at_center=False,
        px_per_dva=None,
    )


def _table(path: Path, maps: Any, place: int) -> Table:
    with PUBLISHED.as_published(path, f"cell {place + 1} of 'white'"):
        locations = np.asarray(maps[place])
        if locations.shape != SIZE:
            raise ValueError(f"shape {locations.shape}, expected {SIZE}")
        row, column = np.nonzero(locations)
        return unordered_table(column + 0.5, row + 0.5)
