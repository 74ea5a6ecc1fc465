"""Write a torch model as an ONNX file that carries its specs, checked against torch before it counts."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from genmech_fem.drafts import draft_folder
from genmech_fem.export.activations import activations
from genmech_fem.export.comparison import checked, comparable, judge, model_differences, sha256
from genmech_fem.export.graphs import captured, describe, to_proto
from genmech_fem.export.half import halve
from genmech_fem.export.layout import AtSpecs, Case, at_sizes, changing_axes, examples, input_names, mask_axes
from genmech_fem.export.report import ExportReport
from genmech_fem.export.vjp import gradient_proto
from genmech_fem.fields import Arrays
from genmech_fem.runtime import Passport
from genmech_fem.runtime.description import to_metadata
from genmech_fem.surrogates import TorchModel

TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
HALF_TOLERANCE = 5e-3


def to_onnx(
    model: TorchModel,
    path: Path | str,
    samples: Arrays,
    *,
    passport: Passport | None = None,
    metadata: Mapping[str, Any] | None = None,
    sizes: Sequence[tuple[int, ...]] = (),
    tolerance: float | None = None,
    half: bool = False,
    vjp: bool = False,
) -> ExportReport:
    """Export `model` for batches of any size; the file's arrays are those of the specs.

    Before the file appears at `path` it passes the ONNX checker, and ONNX Runtime must agree with torch on `samples`
    at batch sizes 1 and 3, on their own grid and on those of `sizes`.

    Args:
        model: The model in evaluation mode.
        path: Where to write (``.onnx``).
        samples: At least 3 samples of real inputs.
        passport: What the file says of the training.
        metadata: JSON data to carry beside the specs.
        sizes: Shapes of other grids on which the file must work as well; it then works on any.
        tolerance: Largest accepted difference, relative to the largest output; None is 1e-5, for weights in half
            precision 5e-3. Gradients get at least 1e-4.
        half: Whether to store large weights in half precision; the file computes in float32 as before.
        vjp: Whether to write ``NAME.vjp.onnx`` beside the file, which makes it a `DifferentiableForwardModel`.

    Raises:
        ContractError: The samples do not fit, the model cannot be exported, its graph is static although other sizes
            are asked for, ONNX Runtime lacks an operator, or it disagrees with torch.
        OSError: The file cannot be written.
    """
    began, path = time.perf_counter(), Path(path)
    arrays = comparable(samples, model.inputs, "to_onnx")
    accepted = tolerance if tolerance is not None else HALF_TOLERANCE if half else TOLERANCE
    job = _Job(model, at_sizes(model, arrays, sizes), bool(sizes), accepted, half)
    precision = "float16" if half else "float32"
    own = to_metadata(model.inputs, model.outputs, precision=precision, any_size=bool(sizes), passport=passport)
    about = {**(metadata or {}), **own}
    with draft_folder(path) as folder:
        draft, gradients = folder / path.name, folder / f"{path.stem}.vjp.onnx" if vjp else None
        if gradients:
            job.write_gradients(gradients, about)
            about["vjp"] = {"file": gradients.name, "sha256": sha256(gradients)}
        differences = job.write(draft, about)
        gradient_differences = job.compare_gradients(draft) if gradients else {}
        if gradients:
            gradients = gradients.replace(path.with_name(gradients.name))
        draft.replace(path)
    size, seconds = path.stat().st_size, time.perf_counter() - began
    return ExportReport(path, size, differences, accepted, seconds, about, gradients, gradient_differences)


@dataclass(frozen=True)
class _Job:
    """One export."""

    model: TorchModel
    cases: Sequence[Case]
    any_size: bool
    tolerance: float
    half: bool

    def write(self, draft: Path, about: dict[str, Any]) -> dict[str, float]:
        """Write the file, with the memory of a sample among its metadata, and compare it with torch."""
        specs = self.model.inputs
        given = examples(self.cases[0].arrays, specs)
        axes = [*changing_axes(specs, any_size=self.any_size), *mask_axes(specs)]
        program = captured(AtSpecs(self.model), given, axes)
        names = input_names(specs)
        proto = to_proto(program, names, [spec.name for spec in self.model.outputs], about)
        feeds = {name: array.numpy() for name, array in zip(names, given, strict=True)}
        about["activations"] = activations(proto, feeds) // len(given[0])
        describe(proto, about)
        self._save(proto, draft)
        return self._compare(draft, self.tolerance, gradients=False)

    def write_gradients(self, draft: Path, about: Mapping[str, Any]) -> None:
        """Write the file of the vector-Jacobian products."""
        self._save(gradient_proto(self.model, self.cases[0].arrays, about, any_size=self.any_size), draft)

    def compare_gradients(self, draft: Path) -> dict[str, float]:
        """Compare the products that the file at `draft` finds beside it with torch."""
        return self._compare(draft, max(self.tolerance, GRADIENT_TOLERANCE), gradients=True)

    def _save(self, proto: onnx.ModelProto, draft: Path) -> None:
        if self.half:
            halve(proto)
        draft.write_bytes(proto.SerializeToString())
        checked(draft, proto)

    def _compare(self, draft: Path, tolerance: float, *, gradients: bool) -> dict[str, float]:
        found: dict[str, float] = {}
        for case in self.cases:
            found |= model_differences(draft, case, gradients=gradients)
        judge(draft, found, tolerance)
        return found
