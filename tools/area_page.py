"""The page docs/area-calibration.md, from what docs/reports/area-calibration.json holds."""

from pathlib import Path
from typing import Any

from foregaze.files import write_whole
from foregaze.viz.evaluation import draw_reliability, model_colors

MARKER = "<!-- made by tools/area_calibration.py -->\n"
TITLE = "# Are the probabilities of areas right?"
FIGURE = "images/area-calibration.png"
TITLES = {
    "default-scanpath": "`default-scanpath`",
    "default": "`default`, drawn without history",
    "saccade-prior": "center bias with saccade lengths",
}
HORIZONS = {
    "time": "2 s, viewings that go on until then",
    "as observers": "2 s, viewings as long as observers looked",
    "fixations": "the first 5 fixations",
}
SHORT = {"time": "2 s", "as observers": "2 s, as observers", "fixations": "5 fixations"}
MAIN = "quadrants and hot spots"


def write_page(content: dict[str, Any], docs: Path) -> None:
    """Write the page and its figure."""
    write_whole(docs / "area-calibration.md", page(content))
    if not content:
        return
    figure_path = docs / FIGURE
    figure_path.parent.mkdir(parents=True, exist_ok=True)
    models = content["models"]
    bins = {
        f"{TITLES[model].replace('`', '')}\n{SHORT[horizon]}": bins_of(found[MAIN])
        for model, horizons in models.items()
        for horizon, found in horizons.items()
    }
    colors = model_colors(list(models))
    of_panel = dict(zip(bins, (colors[m] for m in models for _ in models[m]), strict=True))
    draw_reliability(bins, of_panel, columns=len(HORIZONS)).savefig(figure_path)


def bins_of(calibration: dict[str, Any]) -> list[tuple[float, float, int]]:
    """Mean prediction, observed share and trials of the bins that have any."""
    return [
        (one["predicted"], one["observed"], one["trials"])
        for one in calibration["bins"]
        if one["trials"]
    ]


def page(content: dict[str, Any]) -> str:
    """Its text."""
    if not content:
        return f"{MARKER}{TITLE}\n\nMade by `make area-calibration`, which has not been run yet.\n"
    parts = [
        MARKER + introduction(content),
        *errors(content),
        "",
        *control(content),
        *bins(content),
    ]
    return "\n".join(parts) + "\n"


def introduction(content: dict[str, Any]) -> str:
    """Protocol."""
    early, short, observers = content["ended_early"], content["short"], content["observers"]
    return f"""{TITLE}

Made by `make area-calibration`. [Areas of interest](areas.md) get probabilities of being seen in
time, which sampled viewings give. Here they are compared with the share of observers who saw an
area in time, on {content["images"]} images of [OSIE](osie.md), each with a model that was not
trained on it (five folds).

- **Areas.** The four quadrants of each image, and its hot spots: connected parts of the smallest
  region that holds half of the mass of a kernel density (24 px, one degree) of the observers'
  fixations. Observers whose own looks made a hot spot see it a little more often than others
  would; so there are also **hot spots of others**: found with one half of the observers, and judged
  by the other. Both kinds are chosen for having been looked at, so that a prediction that is right
  on average over all areas is too low on these. **Predicted hot spots** are those of the density of
  `default`, chosen without knowing where people looked on the image.
- **Viewings.** {content["viewings"]} of each image, so that predicted probabilities have a standard
  error of at most {0.5 / content["viewings"] ** 0.5:.3f}. `default-scanpath` predicts first
  fixations and durations. For the others first fixations are drawn from a kernel density of
  training viewers' first fixations, and durations from a log-normal density fitted to training
  viewers'. The center bias with saccade lengths does not look at the image.
- **2 s.** Time is fixation time, the sum of durations. Of {observers} recorded viewings
  {early} ({early / observers:.0%}) hold less than 2 s of it: what they did not see by their end
  counts as not seen. Viewings of a model that go on for 2 s answer another question, what people
  would see who looked that long, and see more. Viewings **as long as observers looked** are cut
  where a training viewer's fixation time, drawn for each, is over: this is what recordings can be
  compared with.
- **5 fixations** need no clock. Of the recorded viewings {short} ({short / observers:.1%}) have
  fewer.
- **Error**: expected calibration error, the mean over ten bins of |predicted − observed|, weighted
  by trials; each observer and area is one. Brackets hold the 95% bootstrap interval over images.
  Chance makes it positive even for perfect predictions.

![Observed shares against predicted probabilities, for each model and horizon]({FIGURE})

*Share of observers who saw an area against its predicted probability, in ten bins; quadrants and
hot spots. The area of a disk is the number of trials.*

## Expected calibration error
"""


def errors(content: dict[str, Any]) -> list[str]:
    """A row for each model and horizon, a column for each kind of areas."""
    kinds = list(next(iter(next(iter(content["models"].values())).values())))
    lines = [
        f"| model | seen within | {' | '.join(kinds)} |",
        f"| --- | --- |{' ---: |' * len(kinds)}",
    ]
    for model, horizons in content["models"].items():
        for horizon, found in horizons.items():
            cells = [error_cell(found[kind]) for kind in kinds]
            lines.append(f"| {TITLES[model]} | {HORIZONS[horizon]} | {' | '.join(cells)} |")
    counts = next(iter(next(iter(content["models"].values())).values()))
    listed = "; ".join(f"{k}: {v['areas']} areas, {v['trials']} trials" for k, v in counts.items())
    return [*lines, "", f"{listed[0].upper()}{listed[1:]}."]


def error_cell(calibration: dict[str, Any]) -> str:
    """Error and interval."""
    if calibration["ci95"] is None:
        return f"{calibration['error']:.3f}"
    low, high = calibration["ci95"]
    return f"{calibration['error']:.3f} [{low:.3f}, {high:.3f}]"


def control(content: dict[str, Any]) -> list[str]:
    """What a model that is right has for an error on these areas."""
    if "control" not in content:
        return []
    found = content["control"]
    own = content["models"]["default-scanpath"]["time"]["predicted hot spots"]
    cells = [
        f"{kind} {error_cell(found[kind])}"
        for kind in ("quadrants and hot spots", "quadrants", "hot spots")
    ]
    return [
        "## What choosing the areas does",
        "",
        "Were people exactly the model, what would these numbers be? On "
        f"{found['images']} images (20 of each fold) 15 further viewings of `default-scanpath` "
        "took the place of the observers: hot spots were found with them, and the other viewings, "
        "from the very same model, predicted who of them saw what within 2 s. The error of that "
        f"perfect prediction: {'; '.join(cells)}. So much comes from choosing areas because these "
        "very viewers looked there, and from counting with few of them.",
        "",
        "Predicted hot spots are chosen without looking at people, so that a model that knows its "
        f"own doubt is right on them; an error there, {error_cell(own)} within 2 s, is the model's "
        "own: its viewings miss what attracts people a little too often. What remains of the error "
        "on people's hot spots is doubt: people agree on an image more than a model can know, and "
        "an area that was chosen because they looked there is seen by more of them than it could "
        "say.",
        "",
    ]


def bins(content: dict[str, Any]) -> list[str]:
    """The bins of the scanpath model."""
    lines = ["## Bins", "", "Of `default-scanpath`, quadrants and hot spots:", ""]
    head = "predicted | observed | trials"
    horizons = content["models"]["default-scanpath"]
    titles = " | ".join(f"{SHORT[h]}: {head}" for h in horizons)
    lines += [f"| probability | {titles} |", f"| --- |{' ---: |' * (3 * len(horizons))}"]
    for number in range(10):
        cells = []
        for found in horizons.values():
            one = found[MAIN]["bins"][number]
            shares = ("–" if v is None else f"{v:.3f}" for v in (one["predicted"], one["observed"]))
            cells += [*shares, str(one["trials"])]
        lines.append(f"| {number / 10:.1f}–{(number + 1) / 10:.1f} | {' | '.join(cells)} |")
    return lines
