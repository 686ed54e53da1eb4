"""`foregaze evaluate`: score models on a data set."""

import shutil
import sys
from dataclasses import replace
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foregaze.cli import messages
from foregaze.cli.centerbias import NAMED
from foregaze.cli.options import (
    CheckpointSource,
    Compiled,
    DeviceName,
    Networks,
    Precision,
    Viewers,
    parse_networks,
)
from foregaze.cli.output import check_file, check_folder
from foregaze.cli.scanpath_similarity import named_files, print_similarity
from foregaze.errors import ConfigError, DataError, OutputError

if TYPE_CHECKING:
    from foregaze.evaluation.comparison import Comparison
    from foregaze.evaluation.load import Running
    from foregaze.evaluation.models import ScoredModel
    from foregaze.evaluation.references import References
    from foregaze.inference.centerbias import CenterBiasLike
    from foregaze.types import EyeTrackingDataset

SCORES_FILE = "scores.jsonl"
"""In a report's folder: the scores of every image, from which `--resume` goes on."""

_WIDE = 200


def evaluate(
    dataset: Annotated[str, typer.Option(metavar="NAME", help="From `foregaze datasets`.")],
    root: Annotated[
        Path, typer.Option(metavar="DIR", help="The data set's folder, as its authors publish it.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="From `foregaze models`; a .safetensors file; a baseline (uniform, centerbias, "
            "gaussian-centerbias, gold-standard, gold-standard-one-bandwidth, joint-bound, "
            "spectral-residual); or NAME=PATH for predictions in files: a folder of .npy or .png "
            "named as the images, or an HDF5 file. Repeat for several.  [default: default]",
        ),
    ] = None,
    scanpaths: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Compare the scanpaths in a CSV file (image, observer, order, x, y and "
            "duration_ms) with the observers'. Repeat for several.",
        ),
    ] = None,
    checkpoint: CheckpointSource = None,
    centerbias: Annotated[
        str | None,
        typer.Option(
            metavar="dataset|uniform|mit1003|FILE.npy",
            help="What models of `foregaze models` take for where people look whatever the image "
            "shows: the scored data set's, from its other images; none; that of MIT1003; or a log "
            "density in nats at the images' size.  [default: the models' own]",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report's numbers here.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a report into this folder: JSON, Markdown, HTML and figures.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="LL, IG, IGE, NSS, AUC, sAUC, CC, KLDiv, SIM, EMD, AUC-Judd, AUC-Borji, sAUC-MIT, "
            "NSS-MIT, SIM-MIT or IG-MIT. Repeat for several.  [default: the first nine]",
        ),
    ] = None,
    viewers: Viewers = None,
    network: Networks = None,
    precision: Precision = "float32",
    compiled: Compiled = False,
    device: DeviceName = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an evaluation that was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier report.")
    ] = False,
) -> None:
    """Score models on a data set of fixations."""
    _check_outputs(json, output, resume=resume, overwrite=overwrite)
    compared = named_files(scanpaths or [], output, replace=overwrite or resume)
    from foregaze.data import completeness_note, load_dataset
    from foregaze.evaluation.evaluate import REPORTED, known_metrics

    metrics = known_metrics(metric or REPORTED)
    specs = model or ([] if scanpaths else ["default"])
    of_models = (json, metric, checkpoint, centerbias, viewers, network, compiled)
    if not specs and (any(of_models) or precision != "float32"):
        raise ConfigError(
            "--json, --metric, --checkpoint, --centerbias, --viewers, --network, --precision and "
            "--compile belong to --model; with --scanpaths alone numbers go to the --output folder"
        )
    from foregaze.evaluation.load import Running, check_specs

    prior = _read_centerbias(centerbias)
    networks = parse_networks(network)
    running = Running(checkpoint, device, centerbias, precision, compiled, networks, viewers)
    check_specs(specs, running)
    running = replace(running, centerbias=prior)
    recordings = load_dataset(dataset, root)
    note = completeness_note(dataset, recordings)
    if output is not None and output.resolve() in {
        p.resolve().parent for p in recordings.stimuli.paths
    }:
        raise OutputError(f"{output}: holds the stimuli; a report needs a folder of its own")
    if output is not None and overwrite:
        (output / SCORES_FILE).unlink(missing_ok=True)
    if compared:
        print_similarity(compared, recordings, output)
    if specs:
        with messages.collected_warnings() as texts:
            comparison = _score(specs, recordings, metrics, running, output, note)
        _print(comparison, json, output)
        for text in texts:
            messages.note(text)
    if note:
        typer.echo(f"note: {note}")


def _read_centerbias(given: str | None) -> "CenterBiasLike":
    """As `load_scored` takes it.

    Raises:
        DataError: If a file holds no log density.
    """
    from foregaze.evaluation.load import DATASET
    from foregaze.inference.centerbias import read_log_density

    if given in (None, DATASET, *NAMED):
        return given
    try:
        return read_log_density(Path(given))
    except DataError as error:
        names = ", ".join((DATASET, *NAMED))
        raise DataError(f"--centerbias {error}; expected {names} or FILE.npy") from error


def _print(comparison: "Comparison", json: Path | None, output: Path | None) -> None:
    """The table, as wide as the terminal, and where the report is."""
    in_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if in_terminal else _WIDE
    single = comparison.reports[0] if len(comparison.reports) == 1 else None
    typer.echo(comparison.table(width) if single is None else single.table())
    if json is not None:
        comparison.save(json)
        typer.echo(f"report: {json}")
    if output is not None:
        typer.echo(f"report: {output / 'report.html'}, report.md, report.json")


def _score(
    specs: list[str],
    recordings: "EyeTrackingDataset",
    metrics: tuple[str, ...],
    running: "Running",
    output: Path | None,
    note: str | None,
) -> "Comparison":
    """Score all models, and write their report where it is asked for."""
    from foregaze.cli.progress import ProgressDisplay
    from foregaze.evaluation.comparison import compare
    from foregaze.evaluation.evaluate import evaluate as evaluate_model
    from foregaze.evaluation.journal import Journal, settings_of
    from foregaze.evaluation.load import load_scored, needs_densities, needs_gold_standard
    from foregaze.evaluation.references import fit_references

    journal = None
    reports, models = [], []
    with ProgressDisplay() as show:
        references = fit_references(recordings, gold_standard=needs_gold_standard(specs, metrics))
        if output is not None:
            journal = Journal(output / SCORES_FILE, settings_of(references, metrics))
        for spec in specs:
            scored = load_scored(
                spec,
                references,
                running,
                convert=needs_densities(metrics),
                progress=show,
            )
            report = evaluate_model(
                scored,
                recordings,
                metrics=metrics,
                references=references,
                journal=journal,
                on_image=show.counter(f"{scored.name}: images", len(recordings)),
            )
            if note:
                report = replace(report, references=report.references | {"data set": note})
            reports.append(report)
            models.append(scored)
    categories = dict(zip(recordings.stimuli.names, recordings.categories, strict=False))
    comparison = compare(reports, categories)
    if output is not None:
        _write(comparison, models, references, output)
    return comparison


def _write(
    comparison: "Comparison",
    models: "list[ScoredModel]",
    references: "References",
    output: Path,
) -> None:
    from foregaze.reports.examples import make_examples
    from foregaze.reports.write import example_images, write_report

    examples = make_examples(example_images(comparison), models, references)
    write_report(comparison, output, examples)


def _check_outputs(
    json: Path | None, output: Path | None, *, resume: bool, overwrite: bool
) -> None:
    """Make sure that all can be written, and that nothing is lost by it.

    Raises:
        OutputError: If not.
    """
    if resume and overwrite:
        raise OutputError(
            "--resume goes on with a report and --overwrite begins it again: give one"
        )
    if json is not None:
        check_file(json, overwrite=overwrite)
        _check_replaceable(json)
    if output is not None:
        _check_report_folder(output, resume=resume, overwrite=overwrite)
    elif resume:
        raise OutputError("--resume needs the --output folder of the evaluation that was stopped")


def _check_replaceable(json: Path) -> None:
    """Make sure that a file in the place of a report is a report.

    Raises:
        OutputError: If it holds something else.
    """
    if json.exists():
        try:
            content = loads(json.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict) or not {"metrics", "models"} & content.keys():
            raise OutputError(f"{json}: is no report, and is not replaced by one")


def _check_report_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Make sure that a report can be written, and that nothing is lost by it.

    Raises:
        OutputError: If it cannot, or an earlier evaluation is there that was not mentioned.
    """
    check_folder(folder)
    finished, begun = folder / "report.json", folder / SCORES_FILE
    if overwrite:
        return
    if finished.exists() and not resume:
        raise OutputError(
            f"{finished}: exists already; give another --output, or --overwrite, or --resume to "
            "use its scores again"
        )
    elif begun.exists() and not resume:
        raise OutputError(
            f"{begun}: an evaluation was stopped here; --resume to go on, or --overwrite"
        )
