"""What an export wrote, and how far it is from torch, for machines and for readers."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from genmech_fem.drafts import write_atomic
from genmech_fem.export.comparison import sha256

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; margin-bottom: 1.5rem }}
th, td {{ border-bottom: 1px solid #ccc; padding: 0.2rem 0.8rem; text-align: left }}
code {{ overflow-wrap: anywhere }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far it is from torch.

    Attributes:
        path: The ONNX file.
        size: Its size [byte].
        differences: Largest difference to torch for each output, tried batch size and grid, relative to the largest
            absolute value of that output.
        tolerance: Largest difference that was accepted.
        seconds: Wall time of the export [s].
        metadata: What the file says of itself, as JSON data.
        gradients: The file of vector-Jacobian products, if one was asked for.
        gradient_differences: The same as `differences` for it.
    """

    path: Path
    size: int
    differences: Mapping[str, float]
    tolerance: float
    seconds: float
    metadata: Mapping[str, Any]
    gradients: Path | None = None
    gradient_differences: Mapping[str, float] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """Largest of all differences; for weights in half precision this is their error."""
        return max([*self.differences.values(), *self.gradient_differences.values()])

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return sha256(self.path)

    def rows(self) -> list[tuple[str, float]]:
        """Compared output and its difference to torch."""
        gradients = [(f"gradient of {name}", value) for name, value in self.gradient_differences.items()]
        return [*self.differences.items(), *gradients]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "bytes": self.size,
            "seconds": self.seconds,
            "tolerance": self.tolerance,
            "worst": self.worst,
            "differences": dict(self.differences),
            "gradients": self.gradients.name if self.gradients else None,
            "gradient_differences": dict(self.gradient_differences),
            "metadata": dict(self.metadata),
        }

    def write(self) -> tuple[Path, Path]:
        """Write ``NAME.report.json`` and ``NAME.report.html`` beside the file.

        Returns:
            The two files.

        Raises:
            OSError: They cannot be written.
        """
        data, page = (self.path.with_suffix(f".report.{kind}") for kind in ("json", "html"))
        write_atomic(data, json.dumps(self.to_json(), indent=1).encode())
        write_atomic(page, self._page().encode())
        return data, page

    def _page(self) -> str:
        about = self.metadata
        facts = [
            ("file", self.path.name),
            ("sha256", self.sha256),
            ("size [byte]", self.size),
            ("grids", about["sizes"]),
            ("precision", about["precision"]),
            ("gradients", self.gradients.name if self.gradients else "none"),
            ("accepted difference", f"{self.tolerance:.0e}"),
            ("seconds", f"{self.seconds:.1f}"),
        ]
        specs = [(role, *_described(spec)) for role in ("inputs", "outputs") for spec in about[role]]
        passport = about.get("passport") or {}
        parts = [
            _table(facts),
            "<h2>Differences to torch</h2>",
            _table([(name, f"{value:.1e}") for name, value in self.rows()], ("compared", "relative difference")),
            "<h2>Arrays</h2>",
            _table(specs, ("role", "name", "shape", "unit", "place")),
            "<h2>Passport</h2>" if passport else "",
            _table([(key, json.dumps(value)) for key, value in passport.items() if value]),
        ]
        return PAGE.format(title=escape(f"Export of {self.path.stem}"), body="\n".join(parts))


def _described(spec: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Name, shape of the value, unit and place of a spec."""
    place = spec.get("place")
    shape = spec.get("value_shape", [spec.get("size")])
    return spec["name"], " x ".join(map(str, shape)) or "scalar", spec["unit"], json.dumps(place) if place else ""


def _table(rows: Iterable[Iterable[object]], headers: Iterable[str] = ()) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in headers)
    body = "".join(f"<tr>{''.join(f'<td><code>{escape(str(cell))}</code></td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"
