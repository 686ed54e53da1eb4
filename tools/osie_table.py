"""Score the baselines and the shipped models on OSIE, and write the table that the docs show.

`python tools/osie_table.py --osie ../shared/osie` scores every image with the fold model that did
not see it, so it needs the runs of `make train-default` and `make train-deepgaze`, whose reports of
the DeepGaze heads it takes over. It writes the report into runs/osie-table (where it also goes on
if it was stopped), and from it docs/osie.md with its figures and the out-of-fold reports in
docs/reports that README, model card and docs/deepgaze.md are made from.
"""

import argparse
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from rich.progress import track

from foregaze.data import load_dataset
from foregaze.evaluation import REPORTED, References, Report, ScoredModel, SpatialModel, evaluate
from foregaze.evaluation.comparison import compare
from foregaze.evaluation.journal import Journal, settings_of
from foregaze.evaluation.load import load_scored
from foregaze.evaluation.references import fit_references
from foregaze.evaluation.report import Metric, Scores, read_report
from foregaze.inference.zoo import ZOO, load_model
from foregaze.reports.write import write_report
from foregaze.training.branch import make_part
from foregaze.training.recipes import read_recipe
from foregaze.types import EyeTrackingDataset
from osie_parts import ROOT, digest

BASELINES = (
    "uniform",
    "gaussian-centerbias",
    "centerbias",
    "spectral-residual",
    "gold-standard-one-bandwidth",
    "gold-standard",
    "joint-bound",
)
SHIPPED = ("default-fast", "default", "default-best")
HEADS = ("osie-deepgaze1", "osie-deepgaze2", "osie-deepgaze2e", "osie-deepgaze3")
"""Runs of DeepGaze heads, the spatial ones in the papers' order."""
INTRODUCTION = """# OSIE

Made by `make osie-table`, which scores each image with a model that saw neither it nor its copy
(five folds by image; see the [model card](model-card.md)). Images, fixations and conventions are
described below; the data set is that of [Xu et al. 2014](data.md).
"""


def out_of_fold(name: str, run: Path, dataset: EyeTrackingDataset) -> ScoredModel:
    """A shipped model's recipe on images that its training did not see."""
    recipe = read_recipe(run / "recipe.yaml")
    model_of = {}
    for part_name in recipe.part_names():
        if part_name != "all":
            path = run / part_name / "model.safetensors"
            model = load_model(str(path), mirrored=ZOO[name].mirrored)
            model_of |= dict.fromkeys(make_part(recipe, dataset, part_name).test, model)

    def predict(image: int) -> Float[np.ndarray, "H W"]:
        return model_of[image].predict(dataset.stimuli[image]).log_density

    identity = digest(sorted(run.glob("fold-*/model.safetensors")))
    return SpatialModel(name, predict, notes=("out of fold",), identity=identity)


def score(model: ScoredModel, references: References, journal: Journal) -> Report:
    """One model on all images."""
    images = iter(track(range(len(references.dataset)), model.name))
    next(images)
    return evaluate(
        model,
        references.dataset,
        references=references,
        journal=journal,
        on_image=lambda: next(images, None),
    )


def in_order(report: Report, names: Sequence[str]) -> Report:
    """A report of folds with its images in the order of the data set.

    Each fold's model was scored on its test images alone, whatever it says of the others.
    """
    notes = [note for note in report.notes if not note.startswith("trained on")]
    return replace(
        report,
        notes=("out of fold", *notes),
        evidence=_in_order(report.evidence, names),
        all_fixations=_in_order(report.all_fixations, names),
    )


def _in_order(scores: Scores, names: Sequence[str]) -> Scores:
    order = [scores.image_names.index(name) for name in names if name in scores.image_names]
    return replace(
        scores,
        image_names=tuple(scores.image_names[i] for i in order),
        per_image={name: [values[i] for i in order] for name, values in scores.per_image.items()},
        calibration=[scores.calibration[i] for i in order],
    )


def with_dashes(report: Report) -> Report:
    """A report that has every metric of the others, without a value where it was not asked for."""
    missing = [name for name in REPORTED if name not in report.metrics]
    return replace(
        report,
        evidence=_with_dashes(report.evidence, missing),
        all_fixations=_with_dashes(report.all_fixations, missing),
    )


def _with_dashes(scores: Scores, missing: Sequence[str]) -> Scores:
    nothing = [None] * len(scores.image_names)
    return replace(
        scores,
        per_image=scores.per_image | dict.fromkeys(missing, nothing),
        metrics=scores.metrics | dict.fromkeys(missing, Metric(None, None)),
        absent=scores.absent | dict.fromkeys(missing, "it was not asked for"),
    )


def check_order(reports: list[Report]) -> None:
    """Stop where the heads of DeepGaze I, II and IIE do not come in the papers' order."""
    gains = [report.metrics["IG"].mean for report in reports]
    if sorted(gains) != gains:
        raise SystemExit(f"IG of I, II and IIE is {gains}, expected to ascend as in the papers")


def write_docs(report: Path) -> None:
    """The report as a page of the docs, with its figures."""
    images = ROOT / "docs" / "images" / "osie"
    images.mkdir(parents=True, exist_ok=True)
    text = (report / "report.md").read_text().split("\n", 1)[1]
    for name in re.findall(r"\]\(([^)]*\.png)\)", text):
        shutil.copy(report / name, images / name)
    text = re.sub(r"\]\(([^)]*\.png)\)", r"](images/osie/\1)", text)
    (ROOT / "docs" / "osie.md").write_text(INTRODUCTION + text)


def main() -> None:
    """Score all models and write the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    arguments = parser.parse_args()
    output = arguments.runs / "osie-table"
    dataset = load_dataset("osie", arguments.osie)
    references = fit_references(dataset)
    journal = Journal(output / "scores.jsonl", settings_of(references, REPORTED))
    models = [load_scored(name, references) for name in BASELINES]
    models += [out_of_fold(name, arguments.runs / name, dataset) for name in SHIPPED]
    reports = [score(model, references, journal) for model in models]
    for report in reports[len(BASELINES) :]:
        report.save(ROOT / "docs" / "reports" / f"{report.model}.json")
    heads = [
        in_order(read_report(arguments.runs / run / "report.json"), dataset.stimuli.names)
        for run in HEADS
    ]
    check_order(heads[:3])
    for run, report in zip(HEADS, heads, strict=True):
        report.save(ROOT / "docs" / "reports" / f"{run}.json")
    reports += [with_dashes(report) for report in heads]
    write_report(compare(reports), output, {})
    write_docs(output)
    print(compare(reports).table())


if __name__ == "__main__":
    main()
