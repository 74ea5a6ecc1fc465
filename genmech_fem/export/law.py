r"""A constitutive law as one file: stress and consistent tangent, for every point.

The tangent :math:`\partial \sigma / \partial \varepsilon` is what Newton's method needs to converge quadratically:
Simo, Taylor (1985), doi:10.1016/0045-7825(85)90070-2.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from genmech_fem.drafts import draft_folder
from genmech_fem.errors import ContractError
from genmech_fem.export.comparison import BATCHES, checked, comparable, judge, relative
from genmech_fem.export.derivatives import differentiable, in_double, traced
from genmech_fem.export.graphs import captured, to_proto
from genmech_fem.export.report import ExportReport
from genmech_fem.fields import Arrays, ScalarSpec, take
from genmech_fem.runtime import OnnxLaw, Passport
from genmech_fem.runtime.description import to_metadata

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-4}

type Law = Callable[[Tensor], Tensor]


def law_to_onnx(
    law: Law,
    path: Path | str,
    samples: Arrays,
    *,
    strain: ScalarSpec,
    stress: ScalarSpec,
    energy: bool = False,
    double: bool = True,
    passport: Passport | None = None,
) -> ExportReport:
    """Export a law for any number of points; `runtime.OnnxLaw` opens the file.

    Before the file appears, stress and tangent must agree with torch on 1 and 3 points, to 1e-12 in double precision,
    and the tangent of an energy must be symmetric.

    Args:
        law: Torch function or module from strains (points, n) to stresses (points, m), each point by itself; with
            `energy` to energies (points,) or (points, 1), whose gradient is the stress.
        path: Where to write (``.onnx``).
        samples: At least 3 strains (points, n), by the name of `strain`.
        strain: Name, number and unit of the strains: of any measure, such as the components of F.
        stress: Name, number and unit of the conjugate stresses.
        energy: Whether the law is an energy.
        double: Whether the file computes in float64, else in float32.
        passport: What the file says of the training, such as the `Domain` of the strains by the name of `strain`.

    Raises:
        ContractError: The samples do not fit, the law cannot be exported, ONNX Runtime lacks an operator in this
            precision, it disagrees with torch, or the tangent of an energy is not symmetric.
        OSError: The file cannot be written.
    """
    began, path = time.perf_counter(), Path(path)
    arrays = comparable(samples, (strain,), "law_to_onnx")
    if energy and stress.size != strain.size:
        raise ContractError(f"law_to_onnx: an energy of {strain.size} strains has as many stresses, not {stress.size}")
    kind = torch.float64 if double else torch.float32
    module = _Function(law).to(kind).eval()
    tangent = ScalarSpec(f"{stress.name}.tangent", stress.size * strain.size, f"{stress.unit}/({strain.unit})")
    precision = str(kind).removeprefix("torch.")
    about = {
        "law": {"energy": energy, "stress": stress.size, "strain": strain.size},
        **to_metadata((strain,), (stress, tangent), precision=precision, any_size=True, passport=passport),
    }
    proto = _proto(module, torch.as_tensor(arrays[strain.name][:2], dtype=kind), about)
    with draft_folder(path) as folder:
        draft = folder / path.name
        draft.write_bytes(proto.SerializeToString())
        checked(draft, proto)
        reference = _response(module, stress.size, energy=energy)
        differences = _differences(OnnxLaw(draft), reference, take(arrays, slice(3)), kind, energy=energy)
        judge(draft, differences, TOLERANCES[kind])
        draft.replace(path)
    seconds = time.perf_counter() - began
    return ExportReport(path, path.stat().st_size, differences, TOLERANCES[kind], seconds, about)


def _proto(module: nn.Module, strains: Tensor, about: Mapping[str, Any]) -> onnx.ModelProto:
    """The graph of stress and tangent."""
    example: tuple[list[Tensor], list[set[int]]] = [strains], [{0}]
    evaluate = differentiable(captured(module, *example))
    graph = traced(_response(evaluate, about["law"]["stress"], energy=about["law"]["energy"]), *example)
    if strains.dtype == torch.float64:
        in_double(graph)
    inputs, outputs = ([spec["name"] for spec in about[role]] for role in ("inputs", "outputs"))
    return to_proto(captured(graph, *example), inputs, outputs, about)


class _Function(nn.Module):
    """A law as a module."""

    def __init__(self, law: Law) -> None:
        super().__init__()
        self.law = law

    def forward(self, *arrays: Tensor) -> Tensor:
        return self.law(*arrays)


def _response(law: Callable[..., Tensor], size: int, *, energy: bool) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Stress (points, m) and tangent (points, m n), row by row."""

    def evaluate(strain: Tensor) -> tuple[Tensor, Tensor]:
        strain = strain.detach().requires_grad_()
        with torch.enable_grad():
            stress = law(strain)
            if energy:
                (stress,) = torch.autograd.grad(stress.sum(), strain, create_graph=True)
            rows = [
                torch.autograd.grad(
                    stress[:, k].sum(), strain, retain_graph=True, allow_unused=True, materialize_grads=True
                )[0]
                for k in range(size)
            ]
        return stress.detach(), torch.cat(rows, dim=1)

    return evaluate


def _differences(
    file: OnnxLaw, law: Callable[[Tensor], tuple[Tensor, Tensor]], arrays: Arrays, kind: torch.dtype, *, energy: bool
) -> dict[str, float]:
    (name,) = arrays
    found: dict[str, float] = {}
    for points in BATCHES:
        strain = arrays[name][:points]
        got = file(strain)
        expected = [x.double().numpy() for x in law(torch.as_tensor(strain, dtype=kind))]
        for key, one, other in zip(("stress", "tangent"), got, expected, strict=True):
            found[f"{key}, {points} points"] = relative(one.reshape(other.shape), other)
        if energy:
            found[f"asymmetry of the tangent, {points} points"] = relative(np.swapaxes(got[1], 1, 2), got[1])
    return found
