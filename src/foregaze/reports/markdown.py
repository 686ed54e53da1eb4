"""A report's content as Markdown."""

from collections.abc import Sequence

from foregaze.reports.content import Paragraph, Part, Picture, Section, Table


def to_markdown(title: str, subtitle: str, found: Sequence[Section]) -> str:
    """The whole report; pictures are linked by their files' names."""
    blocks = [f"# {title}", subtitle]
    for section in found:
        blocks.append(f"## {section.title}")
        blocks += [_block(part) for part in section.parts]
    return "\n\n".join(blocks) + "\n"


def table_to_markdown(table: Table) -> str:
    """A pipe table, its first column to the left."""
    head, *rows = ([_escaped(cell) for cell in row] for row in table.rows)
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _block(part: Part) -> str:
    if isinstance(part, Table):
        return table_to_markdown(part)
    if isinstance(part, Picture):
        return f"![{part.caption}]({part.file})\n\n*{part.caption}*"
    if isinstance(part, Paragraph) and part.is_list:
        return "\n".join(f"- {line}" for line in part.lines)
    return "\n".join(part.lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
