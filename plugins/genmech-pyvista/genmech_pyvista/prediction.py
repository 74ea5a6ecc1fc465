"""Predictions of a model on a mesh, with what the guard of its file says of them."""

from collections.abc import Sequence
from pathlib import Path

import pyvista

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec
from genmech_fem.forward import ForwardModel
from genmech_fem.geometry.pyvista import vtk_components
from genmech_fem.runtime import Domain, OnnxModel, Passport, RangeGuard
from genmech_pyvista.arrays import ORDER, Association, data_of, find_field, label
from genmech_pyvista.placing import interpolate
from genmech_pyvista.sampling import Outside, gather, grid_in, preferred
from genmech_pyvista.values import as_values

type Model = Path | str | ForwardModel
"""An ONNX file, or a model that has been loaded or built."""


def loaded(model: Model) -> ForwardModel:
    """The model itself, or that of a file."""
    return OnnxModel(model) if isinstance(model, Path | str) else model


def predict(
    mesh: pyvista.DataSet, model: ForwardModel, *, outside: Outside, margin: float, at: Association
) -> pyvista.DataSet:
    """See `Accessor.predict`."""
    if not margin >= 0:
        raise ValueError(f"predict: expected margin >= 0, got {margin}")
    inputs = gather(mesh, model.inputs, outside)
    result = mesh.copy()
    add_outputs(result, model.outputs, model(inputs), at)
    passport = getattr(model, "passport", None)
    distance, accepted = judge(passport, model.inputs, inputs, margin)
    for spec in model.outputs:
        result.field_data[f"{spec.name} guard distance"] = [distance]
        result.field_data[f"{spec.name} accepted"] = [int(accepted)]
    for name, domain in passport.domain.items() if passport else ():
        add_range_map(result, next(spec for spec in model.inputs if spec.name == name), domain)
    return result


def add_outputs(mesh: pyvista.DataSet, specs: Sequence[Spec], arrays: Arrays, at: Association) -> None:
    """Add fields as point or cell data, vectors as field data."""
    if at not in ORDER:
        raise ValueError(f"at: expected 'points' or 'cells', got {at!r}")
    for spec in specs:
        if isinstance(spec, ScalarSpec):
            mesh.field_data[label(spec)] = arrays[spec.name][0]
        else:
            values = interpolate(mesh, at, grid_in(spec), arrays[spec.name][0])
            data_of(mesh, at)[label(spec)] = vtk_components(values)


def judge(passport: Passport | None, specs: Sequence[Spec], inputs: Arrays, margin: float) -> tuple[float, bool]:
    """How far the inputs leave the training data, and whether that is within the margin; NaN if nobody can tell."""
    if passport is None or not passport.domain:
        return float("nan"), False
    verdict = RangeGuard(passport.domain, specs, margin).judge(inputs, {})
    return float(verdict.measure[0]), bool(verdict.accepted[0])


def add_range_map(mesh: pyvista.DataSet, spec: Spec, domain: Domain) -> None:
    """Add how far the values of an input leave the range of the training data, in widths of it."""
    if not isinstance(spec, FieldSpec) or not isinstance(spec.place, Grid):
        return
    array = find_field(mesh, spec, preferred(spec.place))
    values = as_values(array, spec).reshape(len(array.values), -1)
    bare = Domain(domain.low, domain.high)  # the ranges of means belong to whole fields
    data_of(mesh, array.at)[f"{spec.name} outside range"] = bare.outside(values, ScalarSpec(spec.name, values.shape[1]))


def anomaly_map(mesh: pyvista.DataSet, detector: ForwardModel, *, outside: Outside, at: Association) -> pyvista.DataSet:
    """See `Accessor.anomaly_map`."""
    found = sorted(spec.name for spec in detector.outputs)
    maps = [spec.place for spec in detector.outputs if isinstance(spec, FieldSpec)]
    if found != ["alarm", "map", "score"] or len(maps) != 1 or len(detector.inputs) != 1:
        raise ContractError(
            f"anomaly_map: expected a detector with the outputs alarm, map and score, got {found}: write one that has "
            "a map with export.detector_to_onnx, or use predict"
        )
    name = detector.inputs[0].name
    outputs = detector(gather(mesh, detector.inputs, outside))
    specs: dict[str, Spec] = {"map": FieldSpec(f"{name} anomaly", maps[0])}
    specs |= {key: ScalarSpec(f"{name} anomaly {key}") for key in ("score", "alarm")}
    result = mesh.copy()
    add_outputs(result, tuple(specs.values()), {spec.name: outputs[key] for key, spec in specs.items()}, at)
    return result
