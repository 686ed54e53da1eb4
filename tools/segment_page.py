"""The page docs/segment-study.md and its picture, from the runs of tools/segment_study.py."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from foregaze.evaluation.bootstrap import mean_intervals
from foregaze.evaluation.report import Report
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
)
"""Rows whose paired differences are shown besides those from the first row."""

Scores = Mapping[int, Float[np.ndarray, "N 2"]]
"""LL and IG of each image, in the order of the reports, by seed."""


def write_page(rows: Sequence[Row]) -> None:
    """Write the page from finished runs."""
    scores = {row.slug: _scores(row) for row in rows}
    names = {row.slug: row.name for row in rows}
    parts = [TEXT.read_text(encoding="utf-8"), "## Table\n", _table(rows, scores)]
    parts += ["## Paired differences\n", _pairs(scores, names)]
    parts += ["## Other segments at test time\n", _changes(rows)]
    write_whole(PAGE, "\n".join(parts))
    row = next(row for row in rows if row.slug == SHOWN[0])
    figure = draw_modulation(modulated(row.first, SHOWN[1]))
    figure.savefig(PICTURE, dpi=110)


def _scores(row: Row) -> Scores:
    return {seed: _per_image(run.report()) for seed, run in row.runs.items()}


def _per_image(report: Report) -> Float[np.ndarray, "N 2"]:
    """LL and IG of each image, in the report's order, which follows from the folds alone."""
    return np.array([report.per_image["LL"], report.per_image["IG"]], np.float64).T


def _difference(first: Scores, second: Scores) -> tuple[str, str]:
    """IG of the first less the second's, from the seeds that both have.

    Returns:
        The mean over seeds and images with its 95% interval over images; and each seed's mean.
    """
    seeds = [seed for seed in first if seed in second]
    values = np.stack([first[s][:, 1] - second[s][:, 1] for s in seeds])  # (seeds, N)
    (interval,) = mean_intervals(values.mean(0)[:, None])
    assert interval is not None
    each = ", ".join(f"{value:+.3f}" for value in values.mean(1))
    return f"{values.mean():+.4f} [{interval[0]:+.4f}, {interval[1]:+.4f}]", each


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


def _table(rows: Sequence[Row], scores: Mapping[str, Scores]) -> str:
    lines = [
        "| row | parameters | LL, fitted images | LL | IG [95%] | IG less that without segments "
        "[95%] | of each seed |",
        "| --- | ---: | ---: | ---: | --- | --- | --- |",
    ]
    plain = scores[rows[0].slug]
    for row in rows:
        values = np.mean(list(scores[row.slug].values()), axis=0)  # (N, 2)
        ll, gain = values.mean(0)
        interval = mean_intervals(values)[1]
        assert interval is not None
        fitted = np.mean([fitted_ll(run) for run in row.runs.values()])
        against = ("", "") if row is rows[0] else _difference(scores[row.slug], plain)
        lines.append(
            f"| {row.name} | {parameters(row.first):,} | {fitted:.3f} | {ll:.3f} | {gain:.3f} "
            f"[{interval[0]:.3f}, {interval[1]:.3f}] | {' | '.join(against)} |"
        )
    return "\n".join(lines) + "\n"


def _pairs(scores: Mapping[str, Scores], names: Mapping[str, str]) -> str:
    lines = [
        "| first | second | IG of the first less the second [95%] | of each seed |",
        "| --- | --- | --- | --- |",
    ]
    for first, second in PAIRS:
        against = _difference(scores[first], scores[second])
        lines.append(f"| {names[first]} | {names[second]} | {' | '.join(against)} |")
    return "\n".join(lines) + "\n"


def _changes(rows: Sequence[Row]) -> str:
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
        right = {0: _per_image(row.first.report())}
        changed = ({0: _per_image(changed_report(row.first, c, dataset))} for c in CHANGES)
        cells = [_difference(scores, right)[0] for scores in changed]
        lines.append(f"| {row.name} | {right[0][:, 1].mean():.3f} | {' | '.join(cells)} |")
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
