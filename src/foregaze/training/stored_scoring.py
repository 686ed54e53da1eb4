"""Models of the DinoGaze family scored on stored features and segments: no network runs.

Features are stored in half precision, so log densities differ a little from those that the model
makes of images itself: by some thousandths of a nat.
"""

from collections.abc import Callable, Sequence

import torch

from foregaze.evaluation.models import ScoredModel
from foregaze.evaluation.predicting import scored_model
from foregaze.inference.conditional import Conditional
from foregaze.inference.deepgaze_predictor import DeepGazePredictor
from foregaze.models.guided import GuidedModel, SegmentModel
from foregaze.models.scene import SceneModel
from foregaze.segmentation import Segments
from foregaze.training.frames import View
from foregaze.training.model_features import SEMANTIC
from foregaze.training.stored_features import ViewFeatures
from foregaze.types import EyeTrackingDataset

NOTE = "features from the store, in half precision"


class StoredPredictor(DeepGazePredictor):
    """A model that finds the features of a data set's images in the store.

    Args:
        name: What it is called.
        model: The model.
        card: What its checkpoint says.
        features: Of the data set.
        device: Where it runs.
    """

    def __init__(
        self,
        name: str,
        model: GuidedModel,
        card: dict[str, object],
        features: ViewFeatures,
        device: torch.device,
    ) -> None:
        super().__init__(name, model.to(device), device, card)
        self.features = features

    @torch.inference_mode()
    def on_stored(self, image: int, segments: Segments | None) -> Conditional:
        """As `on`, of the image with an index.

        Args:
            image: Index.
            segments: Of the image, for models that see some.
        """
        assert isinstance(self.model, GuidedModel)
        seen = self._seen(self.features.stimuli[image], None, None)
        height, width = seen.pixels.shape[-2:]
        grid = self.model.grid((height, width))
        stored = {
            n: x[None].to(self.device)
            for n, x in self.features[View(image, mirrored=False)].items()
        }
        semantic = stored.pop(SEMANTIC, None)
        taps = [stored[n] for n in sorted(stored)]
        if isinstance(self.model, SegmentModel):
            assert segments is not None
            ids = [torch.from_numpy(segments)]
            scene = self.model.scene_of(taps, grid, ids, semantic)
        else:
            assert isinstance(self.model, SceneModel)
            scene = self.model.head.scene(taps, grid)
        return self._of_scene(scene, grid, seen)


def stored_scored(
    predictor: StoredPredictor,
    dataset: EyeTrackingDataset,
    name: str,
    segments: Callable[[int], Segments] | None,
    segments_name: str = "",
    images: Sequence[int] | None = None,
) -> ScoredModel:
    """A model as an evaluation sees it; see `foregaze.evaluation.predicting`.

    Args:
        predictor: The model.
        dataset: Whose features are stored.
        name: What the report calls it.
        segments: Gives those of the image with an index, for models that see some.
        segments_name: Tells them from others.
        images: Those that will be scored; all where left out.
    """

    def on(image: int) -> Conditional:
        return predictor.on_stored(image, None if segments is None else segments(image))

    choices = ["stored", segments_name]
    return scored_model(predictor, dataset, name, on, [NOTE], choices, images)
