"""What the design commands leave behind: ``design.json`` and a page with tables and pictures inside."""

import base64
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genmech_fem.datasets import write_atomic
from genmech_fem.plotting import to_png

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h1, h2 {{ line-height: 1.2; }} h2 {{ margin-top: 2.2rem; border-bottom: 1px solid #ccc; }}
table {{ border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.2rem 0.6rem; border-bottom: 1px solid #ddd; text-align: right; }}
th:first-child, td:first-child {{ text-align: left; }}
img {{ max-width: 100%; }}
.note {{ background: #f4f6f8; padding: 0.6rem 1rem; border-left: 4px solid #7aa; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""

type Rows = Sequence[Sequence[Any]]


def heading(text: str) -> str:
    """A heading."""
    return f"<h2>{html.escape(text)}</h2>"


def note(text: str) -> str:
    """A paragraph that stands out."""
    return f'<p class="note">{html.escape(text)}</p>'


def table(rows: Rows, headers: Sequence[str] = ()) -> str:
    """A table; numbers with four digits."""
    return tabulate(rows, headers, tablefmt="html", floatfmt=".4g", missingval="-")


def picture(name: str, figure: Any) -> str:
    """A figure as a part of the page."""
    data = base64.b64encode(to_png(figure)).decode()
    return f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{data}"></p>'


def about(record: Mapping[str, Any]) -> list[str]:
    """Settings and versions of a run as the end of its page."""
    settings = [(name, str(value)) for name, value in record["settings"].items()]
    versions = ", ".join(f"{name} {value}" for name, value in record["environment"].items())
    return [heading("Settings and versions"), table(settings), f"<p>{html.escape(versions)}</p>"]


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Write the page."""
    write_atomic(path, _PAGE.format(title=html.escape(title), body="\n".join(parts)).encode())


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON data."""
    write_atomic(path, json.dumps(record, indent=1, allow_nan=False).encode())


def known(number: float) -> float | None:
    """A number as JSON data, None where it is NaN or infinite."""
    return float(number) if math.isfinite(number) else None
