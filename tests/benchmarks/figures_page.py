"""The tables of docs/figures.md, from the committed results.

Above each table stands where it comes from, ``<!-- table: NAME, HEADING -->``: from below that heading in
``results/NAME.md``. Further lines of the comment keep only rows whose first cell is like one of them, where ``*``
stands for anything. Run it with  uv run python tests/benchmarks/figures_page.py
"""

import re
from collections.abc import Sequence

from headlines import ROOT

PAGE = ROOT / "docs" / "figures.md"
TABLE = re.compile(r"(<!-- table: (\w+), (.+?)((?:\n.+?)*) -->\n)(?:\|.*\n|\n)*(?=<!-- end -->)")


def table(name: str, heading: str, patterns: Sequence[str]) -> list[str]:
    """Lines of a table of a benchmark, or only the rows that are like one of some patterns."""
    text = (ROOT / "tests" / "benchmarks" / "results" / f"{name}.md").read_text()
    _, found, rest = text.partition(f"\n## {heading}\n\n")
    if not found:
        raise ValueError(f"expected one of {re.findall('^## (.+)', text, re.M)} of {name}.md, got {heading!r}")
    lines = rest.partition("\n\n")[0].splitlines()
    if not patterns:
        return lines
    wanted = [re.compile(re.escape(pattern).replace(r"\*", ".*")) for pattern in patterns]
    cells = [line.split("|")[1].strip() for line in lines]
    if idle := [one.pattern for one in wanted if not any(map(one.fullmatch, cells[2:]))]:
        raise ValueError(f"expected patterns of rows below {heading!r} of {name}.md, got {idle}, which no row is like")
    kept = [line for line, cell in zip(lines[2:], cells[2:], strict=True) if any(one.fullmatch(cell) for one in wanted)]
    return [*lines[:2], *kept]


def filled(page: str) -> str:
    """A page with its tables put in."""

    def put_in(found: re.Match[str]) -> str:
        comment, name, heading, patterns = found.groups()
        return "\n".join([comment, *table(name, heading, patterns.split("\n")[1:]), "\n"])

    return TABLE.sub(put_in, page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
