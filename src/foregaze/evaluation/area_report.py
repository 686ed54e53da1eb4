"""Reports on areas of interest: what was seen when, how often and how long, and in which order."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from foregaze.errors import ConfigError, DataError
from foregaze.evaluation.report import save_json
from foregaze.files import write_whole
from foregaze.types import Size

MOST_ORDERS_SHOWN = 10
"""Pairs of areas in the plain-text table; all are in the JSON."""

QUANTITIES = ("seen", "first_ms", "first_number", "fixations", "dwell_ms", "seen_first")
"""Columns of the CSV table, each with its interval."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval; None where it is not defined."""

    value: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Horizon:
    """How much of each viewing counts: a time, or a number of fixations.

    Raises:
        ConfigError: If both or neither are given, or one is not positive and finite.
    """

    seconds: float | None = None
    fixations: int | None = None
    saccade_ms: float = 0.0
    """Time between two fixations."""

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.fixations is None):
            raise ConfigError("give either seconds or fixations, and not both")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ConfigError(f"seconds is {self.seconds:g}, expected a positive number such as 3")
        if self.fixations is not None and (self.fixations < 1 or self.fixations % 1):
            raise ConfigError(f"fixations is {self.fixations:g}, expected a whole number from 1")
        if not 0 <= self.saccade_ms < math.inf:
            raise ConfigError(f"saccade_ms is {self.saccade_ms:g}, expected a number from 0")

    @property
    def words(self) -> str:
        """Such as "3 s" or "8 fixations"."""
        if self.seconds is not None:
            return f"{self.seconds:g} s"
        return f"{self.fixations} fixation{'s' * (self.fixations != 1)}"


@dataclass(frozen=True)
class Looks:
    """How one area was looked at within the horizon."""

    seen: Estimate
    """Share of the viewings with a fixation in the area."""
    first_ms: Estimate
    """Mean start of the first fixation in it, over the viewings that saw it."""
    first_number: Estimate
    """Mean number of that fixation in its viewing, counted from 1, likewise."""
    fixations: Estimate
    """Mean number of fixations in it, over all viewings."""
    dwell_ms: Estimate
    """Mean time that these last, up to the horizon, over all viewings."""
    ranks: tuple[Estimate, ...]
    """Share of the viewings in which it was seen as the first, second, ... of all areas; areas
    that one fixation saw first share a rank."""
    seen_by: tuple[float, ...]
    """Share of the viewings that had seen it by each `Viewings.moments`."""


@dataclass(frozen=True)
class Order:
    """Which of two areas was seen first; the four shares of all viewings add up to one."""

    first: str
    second: str
    before: Estimate
    """The first area was seen before the second, which may never have been seen."""
    after: Estimate
    """The second area was seen before the first, likewise."""
    together: Estimate
    """One fixation saw both first, as where areas overlap."""
    neither: Estimate


@dataclass(frozen=True)
class Viewings:
    """What one source of viewings, such as a model, did with all areas."""

    source: str
    """Such as "model" or "recorded"."""
    name: str
    """Of the model or data set; may be empty."""
    viewings: int
    ended_early: int
    """Viewings that end before the horizon, of which nothing is known after their end."""
    looks: tuple[Looks, ...]
    """One for each area."""
    orders: tuple[Order, ...]
    """One for each pair of areas."""
    moments: tuple[float, ...]
    """Seconds, or numbers of fixations, for `Looks.seen_by`."""
    absent: dict[str, str]
    """Why a quantity is None, by its name."""

    @property
    def title(self) -> str:
        """Source and name, in words."""
        return f"{self.source} ({self.name})" if self.name else self.source


@dataclass(frozen=True)
class AreaReport:
    """The areas of one image, and how they were looked at in one or several sources."""

    image: str | None
    """Name of the image, if it was given."""
    size: Size
    horizon: Horizon
    areas: tuple[str, ...]
    """Names of the areas."""
    area_px: tuple[float, ...]
    sources: tuple[Viewings, ...]

    def beside(self, other: "AreaReport") -> "AreaReport":
        """This report followed by another one's sources.

        Raises:
            DataError: If it is about other areas, or another horizon.
        """
        if (self.size, self.areas, self.area_px) != (other.size, other.areas, other.area_px):
            raise DataError("reports on different areas cannot stand side by side")
        if self.horizon != other.horizon:
            raise DataError("reports with different horizons cannot stand side by side")
        return replace(self, sources=(*self.sources, *other.sources))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and None."""
        return {
            "image": self.image,
            "width": self.size[1],
            "height": self.size[0],
            **asdict(self.horizon),
            "areas": [
                {"name": name, "area_px": px}
                for name, px in zip(self.areas, self.area_px, strict=True)
            ],
            "sources": [self._source_json(source) for source in self.sources],
        }

    def save(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            OutputError: If it cannot be written there.
        """
        save_json(self.to_json(), Path(path))

    def to_csv(self) -> str:
        """A row for each area and source; an empty cell is not defined."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        ends = chain.from_iterable((q, f"{q}_low", f"{q}_high") for q in QUANTITIES)
        table.writerow(["area", "area_px", "source", "viewings", *ends])
        for name, px, source, looks in self._rows():
            cells = chain.from_iterable(_numbers(_quantity(looks, q)) for q in QUANTITIES)
            table.writerow([name, repr(px), source.source, source.viewings, *cells])
        return text.getvalue()

    def save_csv(self, path: str | Path) -> None:
        """Write `to_csv`, whole or not at all.

        Raises:
            OutputError: If it cannot be written there.
        """
        write_whole(Path(path), self.to_csv())

    def table(self) -> str:
        """Plain text with aligned columns, 95% intervals in brackets."""
        tables = [self.looks_table(), *([self.orders_table()] if self.orders_table() else [])]
        notes = self.notes()
        parts = [
            *("\n".join(_aligned(rows)) for rows in tables),
            *(["\n".join(notes)] if notes else []),
        ]
        return self.heading() + "\n" + "\n\n".join(parts)

    def heading(self) -> str:
        """What the tables are about, in words."""
        counts = ", ".join(f"{s.viewings} viewings: {s.title}" for s in self.sources)
        return f"{self.image or 'image'}, within {self.horizon.words}; {counts}"

    def looks_table(self) -> list[list[str]]:
        """Titles, and a row for each area and source."""
        titles = ["area", *self._source_cell("source"), "seen, %", "first look, ms", "fixation no."]
        rows = [[*titles, "fixations", "dwell, ms", "seen first, %"]]
        for name, _, source, looks in self._rows():
            cells = [
                _percent(looks.seen),
                _text(looks.first_ms, 0),
                _text(looks.first_number, 1),
                _text(looks.fixations, 2),
                _text(looks.dwell_ms, 0),
                _percent(looks.ranks[0]),
            ]
            rows.append([name, *self._source_cell(source.source), *cells])
        return rows

    def orders_table(self) -> list[list[str]]:
        """Titles, and a row for each pair of areas and source; empty without few enough pairs."""
        pairs = self.sources[0].orders
        if not 0 < len(pairs) <= MOST_ORDERS_SHOWN:
            return []
        titles = ["first seen of two", *self._source_cell("source"), "the one, %", "the other, %"]
        rows = [[*titles, "at once, %", "neither, %"]]
        for number, pair in enumerate(pairs):
            for source in self.sources:
                order = source.orders[number]
                shares = (order.before, order.after, order.together, order.neither)
                label = [f"{pair.first} or {pair.second}", *self._source_cell(source.source)]
                rows.append([*label, *map(_percent, shares)])
        return rows

    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        return [note for source in self.sources for note in self._source_notes(source)]

    def _source_json(self, source: Viewings) -> dict[str, Any]:
        content = asdict(source)
        looks = content.pop("looks")
        named = [{"name": name, **look} for name, look in zip(self.areas, looks, strict=True)]
        return {**content, "areas": named}

    def _rows(self) -> Iterator[tuple[str, float, Viewings, Looks]]:
        for number, (name, px) in enumerate(zip(self.areas, self.area_px, strict=True)):
            for source in self.sources:
                yield name, px, source, source.looks[number]

    def _source_cell(self, text: str) -> list[str]:
        """A cell of the column that tells sources apart, where there are several."""
        return [text] if len(self.sources) > 1 else []

    def _source_notes(self, source: Viewings) -> list[str]:
        reasons: dict[str, list[str]] = {}
        for quantity, reason in source.absent.items():
            reasons.setdefault(reason, []).append(quantity)
        notes = [
            f"{source.title}: no {', '.join(quantities)}: {reason}"
            for reason, quantities in reasons.items()
        ]
        if source.ended_early:
            note = (
                f"{source.title}: {source.ended_early} of {source.viewings} viewings end within "
                f"{self.horizon.words}; what would have been seen later does not count"
            )
            if self.horizon.seconds is not None and not self.horizon.saccade_ms:
                note += (
                    ". The clock counts fixations alone: with saccade_ms it counts the time "
                    "between them too"
                )
            notes.append(note)
        return notes


def _quantity(looks: Looks, name: str) -> Estimate:
    estimate: Estimate = looks.ranks[0] if name == "seen_first" else getattr(looks, name)
    return estimate


def _numbers(estimate: Estimate) -> list[str]:
    ends = estimate.ci95 or (None, None)
    return ["" if number is None else repr(number) for number in (estimate.value, *ends)]


def _percent(estimate: Estimate) -> str:
    scaled = None if estimate.value is None else 100 * estimate.value
    ends = estimate.ci95
    return _text(Estimate(scaled, ends and (100 * ends[0], 100 * ends[1])), 0)


def _text(estimate: Estimate, decimals: int) -> str:
    if estimate.value is None:
        return "-"
    text = f"{estimate.value:z.{decimals}f}"
    if estimate.ci95 is None:
        return text
    low, high = (f"{end:z.{decimals}f}" for end in estimate.ci95)
    return f"{text} [{low}, {high}]"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
