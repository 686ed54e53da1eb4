"""Compare models' scanpaths with people's on OSIE, and write the page that the docs show.

`python tools/scanpath_table.py --osie ../shared/osie` samples as many scanpaths on each image as it
has observers, from models that did not see it: out of fold on all images, and on the test images
of scanpath papers with models trained without these. Samples and scores are kept in
runs/scanpath-table, so that it goes on where it was stopped; a model that changed is sampled anew.
All numbers go to docs/reports/osie-scanpaths.json, and from there into docs/osie-scanpaths.md.

`--only folds` or `--only split` makes one of the two and keeps what is known of the other;
`--only gains` takes over the gains that training reported, and `--only page` writes the page again.
`--partial` leaves out models that are not there.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from foregaze.data import load_dataset
from foregaze.evaluation.report import Metric, averages, read_report
from foregaze.evaluation.scanpath_csv import read_scanpaths, write_scanpaths
from foregaze.evaluation.scanpath_statistics import describe_scanpaths
from foregaze.evaluation.scanpaths import compare_scanpaths, scanpaths_by_image
from foregaze.files import write_whole
from foregaze.inference.predictor import Predictor
from foregaze.inference.zoo import load_model
from foregaze.scanpath_metrics import Scanpath
from osie_parts import (
    ROOT,
    SPLIT,
    Part,
    digest,
    fold_parts,
    missing_runs,
    split_part,
)
from scanpath_page import write_page
from scanpath_rows import FOLDS, MOST_FIXATIONS, ROWS, SCANPATHS

METRICS = (
    "ScanMatch",
    "ScanMatch_no_duration",
    "MultiMatch_vector",
    "MultiMatch_direction",
    "MultiMatch_length",
    "MultiMatch_position",
    "MultiMatch_duration",
    "MultiMatch_mean",
    "MultiMatch_mean_no_duration",
    "SED",
    "SequenceScore",
)
REVISIT_DVA = 1.0
CONDITIONAL = ("default-scanpath", "osie-deepgaze3")
"""Runs of models that see past fixations."""
SPATIAL = "default"
"""The spatial model that conditional gains are over."""


CONFIGS = {run: run for row in ROWS.values() for run in (row.run, row.split_run) if run}


class Work:
    """What is sampled and scored, kept in a folder; made anew in every process.

    Args:
        osie: The data set's folder.
        runs: Where runs are.
        images: Of each part, to try it out; None for all.
    """

    def __init__(self, osie: Path, runs: Path, images: int | None) -> None:
        torch.set_num_threads(1)
        self.runs = runs
        self.output = runs / "scanpath-table"
        self.dataset = load_dataset("osie", osie)
        parts = [*fold_parts(self.dataset), split_part(self.dataset)]
        self.parts = {part.name: replace(part, test=part.test[:images]) for part in parts}

    def parts_of(self, table: str) -> list[Part]:
        """The parts that a table is made of."""
        return [part for part in self.parts.values() if (part.name == SPLIT) == (table == SPLIT)]

    def key(self, name: str, part: Part) -> str:
        """Differs where samples of a row on a part would."""
        model = ROWS[name].model_of(part, self.runs)
        settings = [SCANPATHS, ROWS[name].share, MOST_FIXATIONS, part.images_key()]
        return json.dumps([*settings, digest([model]) if model else None])

    def sample(self, name: str, part_name: str) -> None:
        """Sample a row's scanpaths on a part, unless they are there."""
        part = self.parts[part_name]
        path, key = self.output / name / f"{part_name}.csv", self.key(name, part)
        if _kept(path, key):
            return
        checkpoint = ROWS[name].model_of(part, self.runs)
        model = load_model(str(checkpoint)) if checkpoint else None
        found = {image: ROWS[name].sample(part, image, model) for image in part.test}
        write_scanpaths(path, found, self.dataset)
        _keep(path, key)

    def samples(self, name: str, table: str) -> dict[int, list[Scanpath]]:
        """A row's scanpaths on all images of a table."""
        found = {}
        for part in self.parts_of(table):
            found |= read_scanpaths(self.output / name / f"{part.name}.csv", self.dataset)
        return found

    def score(self, name: str, table: str) -> dict[str, Any]:
        """A row of a table: scores, and what its scanpaths are like."""
        path = self.output / name / f"{table}.json"
        parts = self.parts_of(table)
        key = digest(self.output / name / f"{part.name}.csv" for part in parts) + repr(METRICS)
        if not _kept(path, key):
            generated = self.samples(name, table)
            report = compare_scanpaths(
                generated, self.dataset, model_name=ROWS[name].title, metrics=METRICS
            )
            content = report.to_json() | {"statistics": self.describe(generated)}
            write_whole(path, json.dumps(content))
            _keep(path, key)
        content = json.loads(path.read_text())
        kept = ("images", "generated_scanpaths", "human_scanpaths", "metrics", "statistics")
        return {"title": ROWS[name].title} | {field: content[field] for field in kept}

    def describe(self, scanpaths: dict[int, list[Scanpath]]) -> dict[str, Any]:
        """Statistics of scanpaths."""
        (size,) = set(self.dataset.stimuli.sizes)
        assert self.dataset.px_per_dva is not None
        flat = [one for image in sorted(scanpaths) for one in scanpaths[image]]
        return describe_scanpaths(flat, size, REVISIT_DVA * self.dataset.px_per_dva).to_json()

    def durations(self, part_name: str) -> dict[str, list[float]]:
        """Log-likelihood of durations on each image of a part, in nats per millisecond."""
        part = self.parts[part_name]
        checkpoint = ROWS["default-scanpath"].model_of(part, self.runs)
        assert checkpoint is not None
        path = self.output / "durations" / f"{part_name}.json"
        key = self.key("default-scanpath", part)
        if not _kept(path, key):
            model = load_model(str(checkpoint))
            people = scanpaths_by_image(self.dataset.fixations)
            found = {
                self.dataset.stimuli.names[image]: _duration_score(part, image, people, model)
                for image in part.test
            }
            write_whole(path, json.dumps(found))
            _keep(path, key)
        known: dict[str, list[float]] = json.loads(path.read_text())
        return known


def _duration_score(
    part: Part, image: int, people: dict[int, list[Scanpath]], model: Predictor
) -> list[float]:
    """Means over an image's fixations under the model and under plain durations, and how many."""
    conditional: Any = model.on(part.dataset.stimuli[image])
    of_model, plain = [], []
    for scanpath in people[image]:
        of_model.append(conditional.log_prob_of_durations(scanpath)[:-1])
        plain.append(part.durations.log_prob(scanpath.duration_ms[:-1]))
    each = [np.concatenate(values) for values in (of_model, plain)]
    return [float(each[0].mean()), float(each[1].mean()), float(len(each[0]))]


def _kept(path: Path, key: str) -> bool:
    """Whether a file was made with the same models and settings."""
    beside = path.with_name(f"{path.name}.key")
    return path.exists() and beside.exists() and beside.read_text() == key


def _keep(path: Path, key: str) -> None:
    write_whole(path.with_name(f"{path.name}.key"), key)


_WORK: list[Work] = []
"""Of this process."""


def _start(osie: Path, runs: Path, images: int | None) -> None:
    _WORK.append(Work(osie, runs, images))


def _sample(job: tuple[str, str]) -> str:
    _WORK[0].sample(*job)
    return f"sampled {' on '.join(job)}"


def _score(job: tuple[str, str]) -> dict[str, Any]:
    return _WORK[0].score(*job)


def _durations(part_name: str) -> dict[str, list[float]]:
    return _WORK[0].durations(part_name)


def make_table(pool: ProcessPoolExecutor, work: Work, table: str, names: list[str]) -> Any:
    """One of the two tables."""
    jobs = [(name, part.name) for name in names for part in work.parts_of(table)]
    for done in pool.map(_sample, jobs):
        print(done, flush=True)
    rows = dict(zip(names, pool.map(_score, [(name, table) for name in names]), strict=True))
    images = {image for part in work.parts_of(table) for image in part.test}
    people = scanpaths_by_image(work.dataset.fixations)
    human = work.describe({image: people[image] for image in images})
    return {"images": len(images), "rows": rows, "human": human}


def duration_gain(scores: dict[str, list[float]]) -> dict[str, Any]:
    """How much better durations are predicted than by a plain log-normal density, in bits."""
    values = np.array([scores[name][:2] for name in sorted(scores)]) / np.log(2)
    columns = np.column_stack([values, values[:, 0] - values[:, 1]])
    model, plain, gain = (asdict(metric) for metric in averages(columns))
    return {
        "images": len(values),
        "fixations": int(sum(score[2] for score in scores.values())),
        "model": model,
        "plain": plain,
        "gain": gain,
    }


def conditional_gains(runs: Path) -> dict[str, Any]:
    """LL and IG of models that see past fixations, and what they gain over the spatial one."""
    names = [name for name in CONDITIONAL if (runs / name / "report.json").exists()]
    spatial = _by_image(ROOT / "docs" / "reports" / f"{SPATIAL}.json")
    found: dict[str, Any] = {}
    for name in [SPATIAL, *names]:
        scores = spatial if name == SPATIAL else _by_image(runs / name / "report.json")
        if scores.keys() != spatial.keys():
            raise SystemExit(f"{runs / name / 'report.json'} is of other images than {SPATIAL}'s")
        columns = np.array([[*scores[i], scores[i][0] - spatial[i][0]] for i in sorted(scores)])
        metrics: list[Metric] = averages(columns)
        found[name] = {"title": _title(name)} | {
            key: asdict(metric) for key, metric in zip(("LL", "IG", "gain"), metrics, strict=True)
        }
    return {"images": len(spatial), "rows": found}


def _title(name: str) -> str:
    return "`default`, which sees no history" if name == SPATIAL else ROWS[name].title


def _by_image(path: Path) -> dict[str, tuple[float, float]]:
    """LL and IG of each image by its name: reports of folds have an order of their own."""
    scores = read_report(path).evidence
    columns = (scores.per_image["LL"], scores.per_image["IG"])
    return {
        name: (float(ll or 0.0), float(ig or 0.0))
        for name, ll, ig in zip(scores.image_names, *columns, strict=True)
    }


def usable(work: Work, osie: Path, tables: list[str], *, partial: bool) -> dict[str, list[str]]:
    """Rows of each table whose models are there; stops where one is not, unless told to go on."""
    names: dict[str, list[str]] = {}
    absent = []
    for table in tables:
        models = {
            name: [
                model for part in work.parts_of(table) if (model := row.model_of(part, work.runs))
            ]
            for name, row in ROWS.items()
        }
        names[table] = [
            name
            for name, row in ROWS.items()
            if table in row.tables and all(model.exists() for model in models[name])
        ]
        absent += [model for of_row in models.values() for model in of_row]
    if message := missing_runs(absent, CONFIGS, osie):
        print(message, file=sys.stderr)
        if not partial:
            raise SystemExit("nothing was made; with --partial these are left out")
    return names


def sections(
    pool: ProcessPoolExecutor, work: Work, names: dict[str, list[str]]
) -> Iterator[tuple[str, Any]]:
    """What is to be put into the report."""
    for table, rows in names.items():
        if table != SPLIT:
            yield "conditional", conditional_gains(work.runs)
            if "default-scanpath" in rows:
                parts = [part.name for part in work.parts_of(table)]
                found = {k: v for one in pool.map(_durations, parts) for k, v in one.items()}
                yield "durations", duration_gain(found)
        yield table, make_table(pool, work, table, rows)


def main() -> None:
    """Sample, score, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument("--only", choices=(FOLDS, SPLIT, "gains", "page"))
    parser.add_argument("--partial", action="store_true", help="leave out models not there")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, help="of each part, to try it out")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    report = arguments.docs / "reports" / "osie-scanpaths.json"
    content = json.loads(report.read_text()) if report.exists() else {}
    if arguments.only == "gains":
        content["conditional"] = conditional_gains(arguments.runs)
        write_whole(report, json.dumps(content, indent=1) + "\n")
    elif arguments.only != "page":
        tables = [arguments.only] if arguments.only else [FOLDS, SPLIT]
        settings = (arguments.osie, arguments.runs, arguments.images)
        work = Work(*settings)
        names = usable(work, arguments.osie, tables, partial=arguments.partial)
        with ProcessPoolExecutor(arguments.workers, get_context("spawn"), _start, settings) as pool:
            for section, found in sections(pool, work, names):
                content[section] = found
                write_whole(report, json.dumps(content, indent=1) + "\n")
    write_page(content, arguments.docs / "osie-scanpaths.md")


if __name__ == "__main__":
    main()
