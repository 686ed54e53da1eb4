"""Rectangles whatever the image shows: what segments that follow it are compared with.

One row and one column make the whole image one segment; as many as a network has patches make
every patch one.
"""

from pydantic import Field

from foregaze.config import Config
from foregaze.ops.cells import cell_of_pixels
from foregaze.segmentation.segmenter import Segmenter, Segments
from foregaze.types import ImageArray


class GridConfig(Config):
    """Settings."""

    rows: int = Field(4, ge=1)
    columns: int = Field(4, ge=1)


class Grid(Segmenter):
    """The segmenter."""

    name = "grid"
    Config = GridConfig
    config: GridConfig

    def segments(self, image: ImageArray, name: str | None = None) -> Segments:
        """See `Segmenter`; an image with fewer pixels than rows or columns has fewer of them."""
        rows, columns = (
            cell_of_pixels(pixels, min(cells, pixels))
            for pixels, cells in zip(
                image.shape[:2], (self.config.rows, self.config.columns), strict=True
            )
        )
        across = int(columns.max()) + 1
        found: Segments = (rows[:, None] * across + columns).astype("int32")
        return found

    @property
    def made_with(self) -> dict[str, str]:
        """See `Segmenter`."""
        return {}
