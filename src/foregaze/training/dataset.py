"""The images that a recipe may see, and where people looked in them."""

from foregaze.data import load_dataset
from foregaze.data.folds import without_pictures
from foregaze.errors import ConfigError, DataError
from foregaze.training.recipe import DataConfig
from foregaze.types import EyeTrackingDataset


def training_data(data: DataConfig, name: str | None = None) -> EyeTrackingDataset:
    """A recipe's data set without the images that it excludes, and without their copies.

    Args:
        data: The recipe's.
        name: Another data set of the same images, such as their mouse traces.

    Raises:
        ConfigError: If the list of excluded images cannot be read, or names one that is not there.
        DataError: If nothing is left, or the data set is not as published.
    """
    dataset = load_dataset(name or data.name, data.root)
    if data.exclude is None:
        return dataset
    try:
        listed = set(data.exclude.read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.exclude: {data.exclude} cannot be read ({error})") from error
    unknown = sorted(listed - set(dataset.stimuli.names))
    if unknown:
        raise ConfigError(
            f"data.exclude: {data.exclude} lists {unknown[0]!r}, which {dataset.name} does not "
            "have; expected names of images, one on each line"
        )
    kept = without_pictures(dataset, listed)
    if not kept:
        raise DataError(f"{dataset.name}: all images are excluded by {data.exclude}")
    return dataset.subset(kept)
