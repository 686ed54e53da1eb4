"""Reports for people: an evaluation as Markdown and as one HTML page, with figures."""

from foregaze.reports.write import write_report

__all__ = ["write_report"]
