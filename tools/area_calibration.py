"""Are predicted probabilities of seeing an area right? Calibration on OSIE, out of fold.

`python tools/area_calibration.py --osie ../shared/osie` samples viewings of each image from models
that did not see it, and compares how many of them look at areas in time with how many observers
do. What was sampled is kept image by image in runs/area-calibration, so that it goes on where it
was stopped; a model that changed is sampled anew. All numbers go to
docs/reports/area-calibration.json, and from there into docs/area-calibration.md with its figure.

`--only control` adds what would come out if people were the model: some of its own viewings take
the place of the observers. `--only page` writes the page again.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from area_page import write_page
from foregaze.data import load_dataset
from foregaze.data.areas import Area
from foregaze.evaluation.area_calibration import calibrate_areas, hot_spots, quadrants
from foregaze.evaluation.areas import look_at_areas
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.files import write_whole
from foregaze.inference.conditional import Conditional, Extent
from foregaze.inference.predictor import Predictor
from foregaze.inference.viewing_time import cut_viewing, draw_viewing_ms
from foregaze.inference.zoo import load_model
from foregaze.ops.kde import kernel_sum
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import Size
from osie_parts import ROOT, Part, digest, fold_parts, missing_runs, seed_of

VIEWINGS = 200
"""Of each image; a probability then has a standard error of at most 0.035."""
TOGETHER = 25
"""Viewings that are sampled at once: larger batches are slower, for lack of cache."""
SECONDS = 2.0
FIXATIONS = 5
MOST_FIXATIONS = 22
"""Of viewings of models without durations, as many as the longest recorded scanpath has."""
CONTROL_IMAGES = 20
"""Of each fold, on which the model's own viewings take the place of the observers."""
OBSERVERS = 15
POOL = 1000
"""Viewings of the prior, which are the same for all images of a fold."""
HORIZONS: dict[str, dict[str, Any]] = {
    "time": {"seconds": SECONDS},
    "as observers": {"seconds": SECONDS},
    "fixations": {"fixations": FIXATIONS},
}
MODELS = ("default-scanpath", "default")
PRIOR = "saccade-prior"
KINDS = ("quadrants", "hot spots", "hot spots of others", "predicted hot spots")
NOWHERE = np.empty((0, 2))
REPORT = ROOT / "docs" / "reports" / "area-calibration.json"

Looked = dict[str, list[Scanpath]]
"""Viewings for each horizon."""


def model_viewings(conditional: Conditional, model: Predictor, name: str, viewings: int) -> Looked:
    """Viewings of the scanpath model on one image."""
    endless = endless_viewings(conditional, name, viewings)
    generator = np.random.default_rng(seed_of(name))
    quantiles = model.model.viewing_ms.double().cpu().numpy()
    budgets = draw_viewing_ms(quantiles, len(endless), generator)
    return {
        "time": endless,
        "as observers": [
            cut_viewing(one, ms) for one, ms in zip(endless, budgets.tolist(), strict=True)
        ],
        "fixations": [
            _continued(conditional, one, seed_of(name, -1 - number))
            for number, one in enumerate(endless)
        ],
    }


def endless_viewings(conditional: Conditional, name: str, count: int) -> list[Scanpath]:
    """Viewings that go on until the horizon, drawn in batches."""
    batches = [min(TOGETHER, count - start) for start in range(0, count, TOGETHER)]
    return [
        one
        for number, n in enumerate(batches)
        for one in conditional.viewings(NOWHERE, n, Extent(None, SECONDS), seed_of(name, number))
    ]


def _continued(conditional: Conditional, viewing: Scanpath, seed: int) -> Scanpath:
    """A viewing with at least `FIXATIONS` fixations: positions do not depend on durations."""
    missing = FIXATIONS - len(viewing)
    if missing <= 0:
        return viewing
    history = np.column_stack([viewing.x, viewing.y])
    path = np.concatenate([history, conditional.sample(history, 1, missing, seed)[0]])
    return Scanpath.without_durations(path[:, 0], path[:, 1])


def plain_viewings(part: Part, paths: np.ndarray, seed: int) -> Looked:
    """Viewings of a model without durations."""
    generator = np.random.default_rng(seed)
    endless = part.durations.endless(paths, generator)
    ended = part.durations.ended(endless, generator)
    return {"time": endless, "as observers": ended, "fixations": endless}


def independent_paths(part: Part, conditional: Conditional, name: str, viewings: int) -> np.ndarray:
    """Fixations drawn from one density, after a first one drawn as everywhere."""
    first = part.prior.first.sample(viewings, np.random.default_rng(seed_of(name, 1)))
    more = conditional.sample(NOWHERE, viewings, MOST_FIXATIONS - 1, seed_of(name))
    return np.concatenate([first[:, None], more], axis=1)


def prior_paths(part: Part) -> np.ndarray:
    """Scanpaths that do not depend on the image."""
    generator = np.random.default_rng(seed_of(part.name))
    batches = range(0, POOL, TOGETHER)
    return np.concatenate([part.prior.sample(TOGETHER, MOST_FIXATIONS, generator) for _ in batches])


def area_groups(
    people: list[Scanpath], predicted: np.ndarray, sigma_px: float
) -> Iterator[tuple[str, list[Area], list[Scanpath]]]:
    """Areas by their kind, and the observers whose looks they are judged by.

    Hot spots of all observers were found where these looked, so that more of them see these than
    others would; those of one half of the observers are judged by the other. Only predicted ones
    are chosen without knowing where people look on the image.
    """
    size = (predicted.shape[0], predicted.shape[1])
    yield "quadrants", quadrants(size), people
    yield "hot spots", density_spots(people, size, sigma_px), people
    halves = people[::2], people[1::2]
    for shown, judges in (halves, halves[::-1]):
        yield "hot spots of others", density_spots(shown, size, sigma_px), judges
    yield "predicted hot spots", hot_spots(predicted), people


def density_spots(people: list[Scanpath], size: Size, sigma_px: float) -> list[Area]:
    """Hot spots of the kernel density of observers' fixations, first ones left out."""
    x, y = (np.concatenate([getattr(one, axis)[1:] for one in people]) for axis in "xy")
    return hot_spots(np.log(kernel_sum(x, y, size, sigma_px) + 1e-30))


def image_record(
    part: Part,
    image: int,
    people: list[Scanpath],
    looked: dict[str, Looked],
    predicted: np.ndarray,
) -> dict[str, Any]:
    """For each area of an image what share of observers and of each model's viewings saw it."""
    dataset = part.dataset
    assert dataset.px_per_dva is not None
    size = dataset.stimuli.sizes[image]
    areas = []
    for kind, found, judges in area_groups(people, predicted, dataset.px_per_dva):
        if not found:
            continue
        seen = {
            f"{model} {horizon}": _seen(viewings, found, size, horizon)
            for model, horizons in looked.items()
            for horizon, viewings in horizons.items()
        }
        observed = {horizon: _seen(judges, found, size, horizon) for horizon in HORIZONS}
        areas += [
            {
                "kind": kind,
                "area": area.name,
                "observers": len(judges),
                "observed": {horizon: shares[i] for horizon, shares in observed.items()},
                "predicted": {source: shares[i] for source, shares in seen.items()},
            }
            for i, area in enumerate(found)
        ]
    ended = sum(one.duration_ms.sum() < 1000 * SECONDS for one in people)
    short = sum(len(one) < FIXATIONS for one in people)
    return {
        "image": dataset.stimuli.names[image],
        "areas": areas,
        "observers": len(people),
        "ended_early": int(ended),
        "short": int(short),
    }


def _seen(viewings: list[Scanpath], areas: list[Area], size: Size, horizon: str) -> list[float]:
    (found,) = look_at_areas(viewings, areas, size, **HORIZONS[horizon]).sources
    return [float(looks.seen.value) for looks in found.looks]


class Kept:
    """Records of images in a file of JSON lines, the first of which says what they depend on.

    A line that was cut off when the program ended is ignored.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        lines = path.read_text().splitlines() if path.exists() else []
        if lines and lines[0] == key:
            for line in lines[1:]:
                try:
                    self.records.append(json.loads(line))
                except ValueError:
                    break
        texts = [key, *(json.dumps(record) for record in self.records)]
        write_whole(path, "".join(f"{text}\n" for text in texts))

    def add(self, record: dict[str, Any]) -> None:
        """Keep a record."""
        self.records.append(record)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def sample_part(
    osie: Path, runs: Path, number: int, viewings: int, limit: int | None
) -> list[dict[str, Any]]:
    """Records of all images of a fold."""
    torch.set_num_threads(1)
    dataset = load_dataset("osie", osie)
    part = fold_parts(dataset)[number]
    checkpoints = [runs / name / part.name / "model.safetensors" for name in MODELS]
    settings = [KINDS, viewings, SECONDS, FIXATIONS, POOL, part.images_key(), digest(checkpoints)]
    kept = Kept(runs / "area-calibration" / f"{part.name}.jsonl", json.dumps(settings))
    done = {record["image"] for record in kept.records}
    images = [i for i in part.test[:limit] if dataset.stimuli.names[i] not in done]
    if not images:
        return kept.records
    scanpath_model, spatial = (load_model(str(path)) for path in checkpoints)
    people = scanpaths_by_image(dataset.fixations)
    prior = plain_viewings(part, prior_paths(part), seed_of(part.name))
    for image in images:
        name = dataset.stimuli.names[image]
        conditional = scanpath_model.on(dataset.stimuli[image])
        independent = spatial.on(dataset.stimuli[image])
        paths = independent_paths(part, independent, name, viewings)
        looked = {
            MODELS[0]: model_viewings(conditional, scanpath_model, name, viewings),
            MODELS[1]: plain_viewings(part, paths, seed_of(name, 2)),
            PRIOR: prior,
        }
        density = independent(NOWHERE).log_density
        kept.add(image_record(part, image, people[image], looked, density))
        if len(kept.records) % 10 == 0:
            print(f"{part.name}: {len(kept.records)} images", flush=True)
    return kept.records


def control_part(osie: Path, runs: Path, number: int, viewings: int) -> list[dict[str, Any]]:
    """Records of some images of a fold where viewings of the model itself are the observers."""
    torch.set_num_threads(1)
    dataset = load_dataset("osie", osie)
    part = fold_parts(dataset)[number]
    model = load_model(str(runs / MODELS[0] / part.name / "model.safetensors"))
    assert dataset.px_per_dva is not None
    records = []
    for image in part.test[:CONTROL_IMAGES]:
        name = dataset.stimuli.names[image]
        conditional = model.on(dataset.stimuli[image])
        drawn = endless_viewings(conditional, name, viewings + OBSERVERS)
        people, others = drawn[:OBSERVERS], drawn[OBSERVERS:]
        size = dataset.stimuli.sizes[image]
        groups = {
            "quadrants": quadrants(size),
            "hot spots": density_spots(people, size, dataset.px_per_dva),
        }
        areas = [
            {
                "kind": kind,
                "observers": OBSERVERS,
                "observed": {"time": observed},
                "predicted": {f"{MODELS[0]} time": predicted},
            }
            for kind, found in groups.items()
            for observed, predicted in zip(
                *(_seen(who, found, size, "time") for who in (people, others)), strict=True
            )
        ]
        records.append({"areas": areas})
    return records


def calibrate(records: list[dict[str, Any]], model: str, horizon: str) -> dict[str, Any]:
    """Calibration of a model at a horizon, over areas of each kind and over all."""
    columns = [(number, area) for number, one in enumerate(records) for area in one["areas"]]
    chosen = {"quadrants and hot spots": KINDS[:2]} | {kind: (kind,) for kind in KINDS}
    found = {}
    for kinds, counts in chosen.items():
        rows = [(number, area) for number, area in columns if area["kind"] in counts]
        if rows:
            found[kinds] = calibrate_areas(
                np.array([number for number, _ in rows]),
                np.array([area["predicted"][f"{model} {horizon}"] for _, area in rows]),
                np.array([area["observed"][horizon] for _, area in rows]),
                np.array([area["observers"] for _, area in rows]),
            ).to_json()
    return found


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page tells of all images."""
    return {
        "images": len(records),
        **{
            key: sum(record[key] for record in records)
            for key in ("observers", "ended_early", "short")
        },
        "models": {
            model: {horizon: calibrate(records, model, horizon) for horizon in HORIZONS}
            for model in (*MODELS, PRIOR)
        },
    }


def main() -> None:
    """Sample, calibrate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument("--only", choices=("control", "page"))
    parser.add_argument("--viewings", type=int, default=VIEWINGS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, help="of each fold, to try it out")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    report = arguments.docs / "reports" / REPORT.name
    if arguments.only != "page":
        models = [
            arguments.runs / name / f"fold-{k}" / "model.safetensors"
            for name in MODELS
            for k in range(5)
        ]
        if message := missing_runs(models, {name: name for name in MODELS}, arguments.osie):
            raise SystemExit(message)
        source = (arguments.osie, arguments.runs)
        content = json.loads(report.read_text()) if report.exists() else {}
        with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
            jobs = [pool.submit(control_part, *source, k, arguments.viewings) for k in range(5)]
            if arguments.only != "control":
                options = (arguments.viewings, arguments.images)
                parts = [pool.submit(sample_part, *source, k, *options) for k in range(5)]
                content |= summary([record for part in parts for record in part.result()])
            records = [record for job in jobs for record in job.result()]
        content["viewings"] = arguments.viewings
        content["control"] = {"images": len(records), **calibrate(records, MODELS[0], "time")}
        write_whole(report, json.dumps(content, indent=1) + "\n")
    write_page(json.loads(report.read_text()) if report.exists() else {}, arguments.docs)


if __name__ == "__main__":
    main()
