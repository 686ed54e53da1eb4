"""Score every branch of a run, and every mixture of them, on the images of one part.

`python tools/score_branches.py RUN PART validation|test` prints the share of explainable
information gain (IGE) on the target grid of training, the numbers of docs/exploration.md. Choices
are made on validation images; test images are for reporting.
"""

import argparse
import itertools
import math
from pathlib import Path

import numpy as np
import torch

from foregaze.config import read_config
from foregaze.data import load_dataset
from foregaze.data.centerbias import CenterBias
from foregaze.evaluation.gold_standard import GoldStandard
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.trunk_mixture import grid_size
from foregaze.ops.logdensity import mix, resample
from foregaze.training.branch import Part, make_part
from foregaze.training.examples import Examples
from foregaze.training.frames import View
from foregaze.training.module import log_likelihood_bits
from foregaze.training.recipe import Recipe
from foregaze.training.stored_features import StoredFeatures
from foregaze.types import EyeTrackingDataset


def baseline_and_gold(dataset: EyeTrackingDataset, images: list[int]) -> tuple[float, float]:
    """Mean LL of the center bias and of the gold standard, in bits."""
    prior, gold, values = CenterBias(dataset), GoldStandard(), []
    fixations = dataset.evidence_by_image()
    for image in images:
        size = dataset.stimuli.sizes[image]
        centerbias = prior.log_density(size, exclude=image)
        f = fixations[image]
        at_gold = gold.log_density_at_fixations(f, centerbias, dataset.stimuli.names[image])
        pixels = math.log(size[0] * size[1])
        values.append((centerbias[f.row, f.column].mean() + pixels, at_gold.mean() + pixels))
    baseline, gold_ll = np.mean(values, axis=0) / math.log(2)
    return float(baseline), float(gold_ll)


def branch_densities(
    recipe: Recipe, dataset: EyeTrackingDataset, part: Part, images: list[int], path: Path
) -> torch.Tensor:
    """Log densities (image, H, W) of one finished branch, on the target grid."""
    model = load_checkpoint(path).model
    stages = model.config.trunk_outputs
    stored = StoredFeatures(model.config, stages, dataset, recipe.data, recipe.store)
    prior = CenterBias(dataset.subset(part.fit), recipe.data.centerbias_sigma_px)
    grid = prior.log_density(grid_size(model.config, model.config.input_size))
    centerbias = torch.from_numpy(grid.astype(np.float32))[None]
    densities = []
    with torch.inference_mode():
        for image in images:
            features = {k: v[None] for k, v in stored[View(image, mirrored=False)].items()}
            log_density = model.branches[0](features, centerbias)
            densities.append(resample(log_density, recipe.data.target_size)[0])
    return torch.stack(densities)


def main() -> None:
    """Print one line per branch and mixture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("part")
    parser.add_argument("images", choices=["validation", "test"])
    arguments = parser.parse_args()
    recipe = read_config(Recipe, arguments.run / "recipe.yaml")
    dataset = load_dataset(recipe.data.name, recipe.data.root)
    part = make_part(recipe, dataset, arguments.part)
    images = part.test if arguments.images == "test" else part.validation
    stored = StoredFeatures(recipe.mixture, (), dataset, recipe.data, recipe.store)
    examples = Examples(dataset, stored, part.fit, recipe.data)
    counts = torch.stack([examples.counts(View(image, mirrored=False)) for image in images])
    baseline, gold = baseline_and_gold(dataset, images)
    paths = sorted((arguments.run / part.name).glob("*-*.safetensors"))
    of_branch = {p.stem: branch_densities(recipe, dataset, part, images, p) for p in paths}
    for number in range(1, len(of_branch) + 1):
        for names in itertools.combinations(of_branch, number):
            mixture = mix(torch.stack([of_branch[name] for name in names]))
            bits = log_likelihood_bits(mixture, counts).mean().item()
            print(f"{(bits - baseline) / (gold - baseline):.1%}  {' + '.join(names)}")


if __name__ == "__main__":
    main()
