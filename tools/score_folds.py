"""Score a run's fold models on the images that they never saw, averaged with their mirror images.

`python tools/score_folds.py RUN REPORT.json` writes the out-of-fold report of a model that is used
so, such as `default-best`.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from rich.progress import track

from foregaze.config import read_config
from foregaze.data import load_dataset
from foregaze.evaluation.evaluate import evaluate
from foregaze.evaluation.predicting import predicting
from foregaze.evaluation.report import Report, merge
from foregaze.inference.zoo import load_model
from foregaze.training.branch import make_part
from foregaze.training.recipe import Recipe


def score(run: Path, part_name: str) -> Report:
    """One fold's model on that fold's images."""
    torch.set_num_threads(1)
    recipe = read_config(Recipe, run / "recipe.yaml")
    dataset = load_dataset(recipe.data.name, recipe.data.root)
    model = load_model(str(run / part_name / "model.safetensors"), mirrored=True)
    images = make_part(recipe, dataset, part_name).test
    return evaluate(predicting(model, dataset, recipe.name), dataset, images=images)


def main() -> None:
    """Score all folds, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("report", type=Path)
    arguments = parser.parse_args()
    recipe = read_config(Recipe, arguments.run / "recipe.yaml")
    folds = [part for part in recipe.part_names() if part != "all"]
    with ProcessPoolExecutor(recipe.workers) as pool:
        jobs = [pool.submit(score, arguments.run, part) for part in folds]
        report = merge([job.result() for job in track(jobs, "folds")])
    report.save(arguments.report)
    print(report.table())


if __name__ == "__main__":
    main()
