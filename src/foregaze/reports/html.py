"""A report's content as one HTML page that needs no other file."""

import base64
from collections.abc import Sequence
from pathlib import Path

from foregaze.reports.content import Paragraph, Picture, Section, Table

_TEMPLATE = "report.html.jinja"


def to_html(title: str, subtitle: str, found: Sequence[Section], folder: Path) -> str:
    """The whole report.

    Args:
        title: Of the page.
        subtitle: One line below it.
        found: The report's sections.
        folder: Where the pictures' files are, which become part of the page.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("foregaze.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {
        "table": lambda part: isinstance(part, Table),
        "picture": lambda part: isinstance(part, Picture),
        "paragraph": lambda part: isinstance(part, Paragraph),
    }
    environment.filters["embedded"] = lambda file: _embedded(folder / file)
    page: str = environment.get_template(_TEMPLATE).render(
        title=title, subtitle=subtitle, sections=found
    )
    return page


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
