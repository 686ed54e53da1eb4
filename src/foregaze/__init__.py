"""foregaze predicts where people look in an image.

    model = foregaze.load_model("default")
    prediction = model.predict("photo.jpg")
    prediction.log_density  # (H, W), nats

What needs torch is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foregaze.data import load_dataset
    from foregaze.errors import ForegazeError
    from foregaze.evaluation.model import evaluate_model as evaluate
    from foregaze.inference.prediction import Prediction
    from foregaze.inference.zoo import list_models, load_model

__version__ = "0.1.0"

__all__ = [
    "ForegazeError",
    "Prediction",
    "__version__",
    "evaluate",
    "list_models",
    "load_dataset",
    "load_model",
]

_PLACES = {
    "ForegazeError": ("foregaze.errors", "ForegazeError"),
    "Prediction": ("foregaze.inference.prediction", "Prediction"),
    "evaluate": ("foregaze.evaluation.model", "evaluate_model"),
    "list_models": ("foregaze.inference.zoo", "list_models"),
    "load_dataset": ("foregaze.data", "load_dataset"),
    "load_model": ("foregaze.inference.zoo", "load_model"),
}
"""Module and name there of each public name."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
