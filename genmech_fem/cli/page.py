"""Reports: one HTML file with its pictures inside, what was set, and what made it."""

import argparse
import base64
import html
import io
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from genmech_fem.cli.run_folder import Run
from genmech_fem.datasets.provenance import environment
from genmech_fem.drafts import draft, write_atomic
from genmech_fem.errors import MissingExtraError

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h1, h2 {{ line-height: 1.2; }} h2 {{ margin-top: 2.2rem; border-bottom: 1px solid #ccc; }}
table {{ border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.2rem 0.6rem; border-bottom: 1px solid #ddd; text-align: right; overflow-wrap: anywhere; }}
th:first-child, td:first-child, td.text {{ text-align: left; }}
img {{ max-width: 100%; }} .row img {{ max-height: 24rem; }}
.note {{ background: #f4f6f8; padding: 0.6rem 1rem; border-left: 4px solid #7aa; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""
_OURS = ("run", "command", "json")  # of the arguments of a command, those that set nothing

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
    """A figure of matplotlib, or a PNG file as bytes, as a part of the page."""
    if not isinstance(figure, bytes):
        from genmech_fem.plotting import to_png

        figure = to_png(figure)
    return f'<p><img alt="{html.escape(name)}" src="{data_uri(figure)}"></p>'


def markdown(text: str, folder: Path) -> str:
    """Markdown without its title, as a part of the page; pictures are taken from the folder."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("js-default").render(re.sub(r"\A# .*\n", "", text))
    return re.sub(r'(?<=src=")[^":]+(?=")', lambda name: data_uri((folder / name[0]).read_bytes()), body)


def drawn(name: str, draw: Callable[[], Any]) -> str:
    """A figure as a part of the page, or how to get figures where matplotlib is missing."""
    try:
        return picture(name, draw())
    except MissingExtraError as error:
        return note(str(error))


def data_uri(png: bytes) -> str:
    """A picture as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def about(record: Mapping[str, Any]) -> list[str]:
    """Command, settings, machine and versions of a run, from its record, as the end of its page."""
    settings = [(name, str(value)) for name, value in record["settings"].items()]
    versions = ", ".join(f"{name} {value}" for name, value in record["environment"].items())
    versions += f"; written on {time.strftime('%Y-%m-%d at %H:%M %z')}"
    asked = f"<p><code>{html.escape(record.get('command', ''))}</code></p>"
    return [heading("Settings and versions"), asked, table(settings), f"<p>{html.escape(versions)}</p>"]


def about_command(args: argparse.Namespace) -> list[str]:
    """The same of a command that keeps no record."""
    settings = {name: value for name, value in vars(args).items() if name not in _OURS}
    return about({"command": args.command, "settings": settings, "environment": environment()})


def write_data_page(folder: Path, args: argparse.Namespace) -> None:
    """Write ``report.html`` of a data set, from its card."""
    _write_command_page(folder, args, (folder / "README.md").read_text(encoding="utf-8"))


def write_report(
    args: argparse.Namespace,
    name: str,
    text: str,
    record: str,
    picture: tuple[str, str, bytes],
    parts: Sequence[str] = (),
) -> None:
    """Write a report with one picture as Markdown, as JSON data, and as a page.

    Args:
        args: Arguments of the command; ``args.out`` is the folder.
        name: Name of the Markdown and of the JSON file.
        text: The report as Markdown, with its title as a heading in the first line.
        record: The report as JSON data.
        picture: Name of the picture's file, what it shows, and the PNG file.
        parts: What the page shows after the text.
    """
    file, shows, png = picture
    text += f"\n\n![{shows}]({file}.png)\n"
    write_atomic(args.out / f"{file}.png", png)
    write_atomic(args.out / f"{name}.json", record.encode())
    write_atomic(args.out / f"{name}.md", text.encode())
    _write_command_page(args.out, args, text, parts)


def _write_command_page(folder: Path, args: argparse.Namespace, text: str, parts: Sequence[str] = ()) -> None:
    """Write ``report.html`` of a command that keeps no record, from Markdown with a title."""
    title = text.splitlines()[0].removeprefix("# ")
    write_page(folder / "report.html", title, [markdown(text, folder), *parts, *about_command(args)])


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Write the page."""
    write_atomic(path, _PAGE.format(title=html.escape(title), body="\n".join(parts)).encode())


def write_record(run: Run, record: Mapping[str, Any]) -> None:
    """Write ``design.json`` of a run: its settings and versions, and what it found."""
    whole = {**{name: run.record[name] for name in ("settings", "environment")}, **record}
    write_atomic(run.folder / "design.json", json.dumps(whole, indent=1, allow_nan=False).encode())


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays by name as compressed NPZ."""
    with draft(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as NPY."""
    data = io.BytesIO()
    np.save(data, array)
    write_atomic(path, data.getvalue())


def known(number: float) -> float | None:
    """A number as JSON data, None where it is NaN or infinite."""
    return float(number) if math.isfinite(number) else None
