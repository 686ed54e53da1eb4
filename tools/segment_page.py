"""The page docs/segment-study.md and its picture, from the runs of tools/segment_study.py."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from foregaze.evaluation.bootstrap import mean_intervals
from foregaze.evaluation.report import Report, read_report
from foregaze.files import write_whole
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.checkpoint_file import read_tensors
from foregaze.models.guided import GuidedHead, GuidedModel
from foregaze.models.spade_networks import SpadeSaliencyNetworks
from foregaze.ops.spade import gamma_and_beta
from foregaze.training.branch import make_part, stored_features
from foregaze.training.dataset import training_data
from foregaze.training.frames import View
from foregaze.training.model_features import SEMANTIC, Layouts, guide_of
from foregaze.training.segments import read_segment_keys, stored_segments
from foregaze.viz.modulation import ModulatedImage, draw_modulation
from segment_study import CHANGES, Row, Run, changed_report

PAGE = Path("docs/segment-study.md")
PICTURE = Path("docs/images/segment-modulation.png")
TEXT = Path("tools/segment_study.md")
"""What the page says before its tables."""
SHOWN = ("painted-kmeans-16", 4)
"""Row whose modulation is drawn, and how many test images of its first fold."""
PAIRS = (
    ("painted-kmeans-16", "static-kmeans-16"),
    ("painted-slic-16", "static-slic-16"),
    ("painted-kmeans-16", "control-patches"),
    ("painted-slic-16", "control-patches"),
    ("painted-felzenszwalb-16", "control-patches"),
    ("painted-slic-16", "control-mean"),
    ("painted-slic-16", "control-constant"),
    ("control-patches", "control-constant"),
    ("painted-kmeans-64", "painted-kmeans-16"),
    ("painted-slic-64", "painted-slic-16"),
    ("painted-felzenszwalb-64", "painted-felzenszwalb-16"),
    ("hybrid-slic-16", "painted-slic-16"),
    ("hybrid-slic-16", "hybrid-patches"),
    ("hybrid-slic-16", "control-constant"),
    ("small-kmeans-16", "painted-kmeans-16"),
    ("small-kmeans-16", "small-mean"),
    ("small-slic-16", "small-mean"),
    ("small-felzenszwalb-16", "small-mean"),
    ("small-kmeans-16", "small-patches"),
    ("small-patches", "small-mean"),
    ("control-constant", "long-none"),
    ("hybrid-slic-16", "long-none"),
    ("long-kmeans-16", "long-none"),
    ("long-kmeans-16", "painted-kmeans-16"),
    ("long-kmeans-16", "long-static-kmeans-16"),
    ("long-static-kmeans-16", "long-constant"),
    ("long-constant", "long-none"),
    ("long-constant", "control-constant"),
)
"""Rows whose paired differences are shown besides those from the first row."""


def write_page(rows: Sequence[Row]) -> None:
    """Write the page from finished runs."""
    reports = {row.slug: row.first.report() for row in rows}
    names = {row.slug: row.name for row in rows}
    parts = [TEXT.read_text(encoding="utf-8"), "## Table\n", _table(rows, reports)]
    parts += ["## Paired differences\n", _pairs(reports, names)]
    parts += ["## Other seeds\n", _seeds(rows)]
    parts += ["## Other segments at test time\n", _changes(rows, reports)]
    write_whole(PAGE, "\n".join(parts))
    row = next(row for row in rows if row.slug == SHOWN[0])
    figure = draw_modulation(modulated(row.first, SHOWN[1]))
    figure.savefig(PICTURE, dpi=110)


def difference(first: Report, second: Report, metric: str = "IG") -> str:
    """Mean over images of the first's less the second's, with its 95% interval."""
    assert first.evidence.image_names == second.evidence.image_names
    a, b = (np.array(r.per_image[metric], np.float64) for r in (first, second))
    values: Float[np.ndarray, "N 1"] = (a - b)[:, None]
    (interval,) = mean_intervals(values)
    assert interval is not None
    return f"{values.mean():+.4f} [{interval[0]:+.4f}, {interval[1]:+.4f}]"


def parameters(run: Run) -> int:
    """Trained numbers of its first fold's model."""
    model = run.output / run.recipe.part_names()[0] / "model.safetensors"
    return sum(x.numel() for name, x in read_tensors(model).items() if name.startswith("heads."))


def fitted_ll(run: Run) -> float:
    """Likelihood of the images that are fitted, in the last epoch; mean over folds."""
    found = []
    for part in run.recipe.part_names():
        (log,) = (run.output / part).glob("*/*/csv/metrics.csv")
        with log.open(newline="") as file:
            found.append([float(line["train/LL"]) for line in csv.DictReader(file)][-1])
    return float(np.mean(found))


def fold_gains(run: Run) -> list[float]:
    """Mean IG of each fold's test images."""
    reports = (read_report(run.output / p / "report.json") for p in run.recipe.part_names())
    return [report.metrics["IG"].mean for report in reports]


def _table(rows: Sequence[Row], reports: dict[str, Report]) -> str:
    lines = [
        "| row | parameters | LL, fitted images | LL | IG [95%] | IG less that without segments "
        "[95%] |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    plain = reports[rows[0].slug]
    for row in rows:
        report = reports[row.slug]
        gain, ll = report.metrics["IG"], report.metrics["LL"]
        assert gain.ci95 is not None
        against = "" if row is rows[0] else difference(report, plain)
        lines.append(
            f"| {row.name} | {parameters(row.first):,} | {fitted_ll(row.first):.3f} | "
            f"{ll.mean:.3f} | {gain.mean:.3f} ["
            f"{gain.ci95[0]:.3f}, {gain.ci95[1]:.3f}] | {against} |"
        )
    return "\n".join(lines) + "\n"


def _pairs(reports: dict[str, Report], names: dict[str, str]) -> str:
    lines = ["| first | second | IG of the first less the second [95%] |", "| --- | --- | --- |"]
    for first, second in PAIRS:
        lines.append(
            f"| {names[first]} | {names[second]} | {difference(reports[first], reports[second])} |"
        )
    return "\n".join(lines) + "\n"


def _seeds(rows: Sequence[Row]) -> str:
    lines = [
        "| row | seed | LL, fitted images | IG | of each fold | IG less that without segments, "
        "same seed [95%] |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for row in rows:
        if len(row.runs) == 1:
            continue
        for seed, run in row.runs.items():
            report = run.report()
            against = "" if row is rows[0] else difference(report, rows[0].runs[seed].report())
            lines.append(
                f"| {row.name} | {seed} | {fitted_ll(run):.3f} | {report.metrics['IG'].mean:.3f} | "
                f"{', '.join(f'{gain:.2f}' for gain in fold_gains(run))} | {against} |"
            )
    return "\n".join(lines) + "\n"


def _changes(rows: Sequence[Row], reports: dict[str, Report]) -> str:
    lines = [
        "| row | IG, right segments | "
        + " | ".join(f"{c}, less right [95%]" for c in CHANGES)
        + " |",
        "| --- | ---: |" + " --- |" * len(CHANGES),
    ]
    for row in rows:
        if not row.changes:
            continue
        dataset = training_data(row.first.recipe.data)
        cells = [
            difference(changed_report(row.first, change, dataset), reports[row.slug])
            for change in CHANGES
        ]
        right = reports[row.slug].metrics["IG"].mean
        lines.append(f"| {row.name} | {right:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@torch.inference_mode()
def modulated(run: Run, count: int) -> list[ModulatedImage]:
    """Maps of the first SPADE norm of a run's first fold, on test images."""
    dataset = training_data(run.recipe.data)
    name = run.recipe.part_names()[0]
    part = make_part(run.recipe, dataset, name)
    model = load_checkpoint(run.output / name / "model.safetensors").model
    assert isinstance(model, GuidedModel)
    head = model.head
    assert isinstance(head, GuidedHead)
    assert isinstance(head.saliency, SpadeSaliencyNetworks)
    features = stored_features(run.recipe, part, 0, dataset)
    config = run.recipe.segments
    assert config is not None
    tap = getattr(head, "semantic_tap", SEMANTIC)
    keys = read_segment_keys(run.output)
    layouts = Layouts(run.recipe.segment_store, keys, head, tap, config.most_segments)
    of_image = stored_segments(run.output, run.recipe.segment_store, dataset)
    shown = []
    for image in part.test[:count]:
        view = View(image, mirrored=False)
        seen = features[view]
        layout = layouts.of(view, features, seen)
        taps = [x[None] for n, x in seen.items() if n >= 0]
        guidance = head.guidance(taps, guide_of(seen, layout, torch.device("cpu")))
        assert guidance is not None
        gamma, beta = gamma_and_beta(guidance, head.saliency.first.weights)
        pixels = dataset.stimuli[image]
        shown.append(
            ModulatedImage(pixels, of_image(image), gamma[0, 0].numpy(), beta[0, 0].numpy())
        )
    return shown
