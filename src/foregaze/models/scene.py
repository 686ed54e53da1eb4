"""What an image alone decides for models that see past fixations, apart from what these add.

`B` images, `K` components, `T` history, `h w` readout grid, `u v` cells of the density's grid.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.errors import ConfigError
from foregaze.models.deepgaze import DeepGaze, Head
from foregaze.ops.finalizer import FinerGrid, mean_density
from foregaze.ops.painting import SegmentLayout
from foregaze.ops.spade import Modulation


class Scene(NamedTuple):
    """Images as the networks behind the saliency network see them."""

    saliency: Float[Tensor, "B K h w"]
    selection: tuple[Modulation, ...] = ()
    """Of the fixation selection network's norms, where they are modulated."""
    scanpath: tuple[Modulation, ...] = ()
    """Of the scanpath network's."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "Scene":
        """The same change of all tensors."""
        return Scene(
            change(self.saliency),
            tuple(Modulation(*map(change, part)) for part in self.selection),
            tuple(Modulation(*map(change, part)) for part in self.scanpath),
        )

    def repeated(self, each: int) -> "Scene":
        """Every image so many times, side by side."""
        return self.map(lambda x: x.repeat_interleave(each, 0))

    def component(self, number: int) -> "Scene":
        """What one component sees."""
        return self.map(lambda x: x[:, number, None])


class Guide(NamedTuple):
    """What tells a head which pixels belong together."""

    layout: SegmentLayout
    semantic: Float[Tensor, "B G p q"] | None = None
    """Features that segments are painted with, where they are not the head's own."""


class SceneHead(Head):
    """A head whose density depends on the image through a `Scene`, and on past fixations."""

    history: int
    """Past fixations that it sees; 0 for none."""

    def scene(
        self, features: Sequence[Tensor], grid: FinerGrid, guide: Guide | None = None
    ) -> Scene:
        """What the images alone decide.

        Args:
            features: Taps for the images, each (B, C, h, w).
            grid: Where densities are made.
            guide: For heads that see segments.
        """
        raise NotImplementedError

    def after(
        self, scene: Scene, grid: FinerGrid, centerbias: Float[Tensor, "B u v"], *history: Tensor
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """Log densities of the components of the next fixation, some components at a time.

        Args:
            scene: Of the images.
            grid: Where densities are made.
            centerbias: Log density of the center bias on `grid`.
            history: `x_hist` and `y_hist`, each (B, T), most recent first; may be left out of
                heads that see none.
        """
        raise NotImplementedError

    def forward(
        self,
        features: Sequence[Tensor],
        grid: FinerGrid,
        centerbias: Float[Tensor, "B u v"],
        *history: Tensor,
    ) -> Iterator[Float[Tensor, "B k u v"]]:
        """See `Head`."""
        return self.after(self.scene(features, grid), grid, centerbias, *history)


class SceneModel(DeepGaze):
    """A model with one such head."""

    sees_segments = False
    """Whether the density depends on segments of the image."""

    def scene(
        self,
        pixels: Float[Tensor, "B 3 H W"],
        grid: FinerGrid,
        segments: Sequence[Tensor] | None = None,
    ) -> Scene:
        """What the images alone decide, for `head.after`; one pass of each network.

        Args:
            pixels: Images in 0..255.
            grid: Where densities are made.
            segments: For models that see them, ids of each image's pixels, at any size of it.

        Raises:
            ConfigError: If there are segments, and the model sees none.
        """
        if segments is not None:
            raise ConfigError("this model sees no segments: leave out segments")
        return self.head.scene(self.features(pixels, 0), grid)

    @property
    def head(self) -> SceneHead:
        """The one head."""
        head = self.heads[0]
        assert isinstance(head, SceneHead)
        return head

    def density(
        self, scene: Scene, grid: FinerGrid, centerbias: Float[Tensor, "B u v"], *history: Tensor
    ) -> Float[Tensor, "B H W"]:
        """Log density of the next fixation, at the pixels."""
        past = history or self.nowhere(centerbias)
        return grid.repeated(mean_density(self.head.after(scene, grid, centerbias, *past)))

    def nowhere(self, like: Float[Tensor, "B H W"]) -> tuple[Tensor, ...]:
        """A history without fixations, as `head.after` takes it."""
        if not self.head.history:
            return ()
        return (like.new_full((len(like), self.head.history), torch.nan),) * 2
