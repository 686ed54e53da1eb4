"""`foregaze.evaluate`: score anything on a data set."""

from collections.abc import Callable, Sequence

from foregaze.errors import ConfigError
from foregaze.evaluation.evaluate import evaluate
from foregaze.evaluation.load import check_specs, load_scored, needs_gold_standard
from foregaze.evaluation.models import ScoredModel
from foregaze.evaluation.predicting import predicting
from foregaze.evaluation.references import References, fit_references
from foregaze.evaluation.report import Report
from foregaze.inference.predictor import Predictor
from foregaze.types import EyeTrackingDataset


def evaluate_model(
    model: Predictor | ScoredModel | str,
    dataset: EyeTrackingDataset,
    *,
    metrics: Sequence[str] | None = None,
    references: References | None = None,
    on_image: Callable[[], None] | None = None,
) -> Report:
    """Score a model's predictions against the fixations of a data set.

    Nothing is left out; the report's notes say where the model was trained on these images.

    Args:
        model: From `foregaze.load_model`; the name of a model, a checkpoint or a baseline such as
            "gold-standard"; `NAME=PATH` for predictions in files; or one of
            `foregaze.evaluation.models`.
        dataset: From `foregaze.load_dataset`.
        metrics: Names from `foregaze.evaluation.KNOWN`; the usual ones where left out.
        references: From `foregaze.evaluation.fit_references`, to score several models against;
            fitted where left out.
        on_image: Called after each image, for a progress bar.

    Returns:
        Every metric in its unit (see `foregaze.metrics.METRICS`), IGE as a fraction, each with a
        95% bootstrap interval over images.

    Raises:
        DataError: If no image has evidence fixations, or files are missing.
        ImageError: If an image of the data set cannot be read.
        UnknownNameError: If there is no such model or metric.
    """
    if isinstance(model, str):
        check_specs([model], None)
    if references is None:
        gold_standard = needs_gold_standard([model] if isinstance(model, str) else [], metrics)
        references = fit_references(dataset, gold_standard=gold_standard)
    if isinstance(model, str):
        scored = load_scored(model, references)
    else:
        scored = predicting(model, dataset) if isinstance(model, Predictor) else model
    if not isinstance(scored, ScoredModel):
        raise ConfigError(
            f"model is {type(model).__name__}, expected a loaded model, a name, or one of "
            "foregaze.evaluation.models"
        )
    return evaluate(scored, dataset, metrics=metrics, references=references, on_image=on_image)
