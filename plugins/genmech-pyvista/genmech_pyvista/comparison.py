"""A predicted field on a mesh against what a solver says."""

from collections.abc import Sequence

import numpy as np
import pyvista

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec
from genmech_fem.forward import ForwardModel
from genmech_fem.geometry.pyvista import vtk_components
from genmech_pyvista.arrays import Association, data_of, find, find_field, label
from genmech_pyvista.placing import interpolate
from genmech_pyvista.sampling import Outside, gather, grid_in
from genmech_pyvista.values import as_values


def compare(
    mesh: pyvista.DataSet, model: ForwardModel, names: Sequence[str] | None, *, outside: Outside
) -> pyvista.DataSet:
    """See `Accessor.compare`."""
    specs = _compared(mesh, model, names)
    truth = model(gather(mesh, model.inputs, outside))
    result = mesh.copy()
    for spec in specs:
        array = find_field(mesh, spec, "points")
        reference = interpolate(mesh, array.at, grid_in(spec), truth[spec.name][0])
        difference = as_values(array, spec) - reference
        data = data_of(result, array.at)
        data[label(spec, "reference")] = vtk_components(reference)
        data[label(spec, "difference")] = vtk_components(difference)
        error = relative_l2(mesh, array.at, difference, reference)
        result.field_data[f"{spec.name} relative L2 error"] = [error]
    return result


def _compared(mesh: pyvista.DataSet, model: ForwardModel, names: Sequence[str] | None) -> list[FieldSpec]:
    """The fields to compare: those named, or all that the mesh has."""
    fields = [spec for spec in model.outputs if isinstance(spec, FieldSpec)]
    unknown = sorted(set(names or ()) - {spec.name for spec in fields})
    if unknown:
        raise ContractError(f"compare: expected names among {[spec.name for spec in fields]}, got {unknown}")
    chosen = [spec for spec in fields if (find(mesh, spec, "points") if names is None else spec.name in names)]
    if not chosen:
        raise ContractError(
            f"compare: expected a predicted field among {[label(spec) for spec in fields]}, there are "
            f"{sorted([*mesh.point_data, *mesh.cell_data])}: call predict first"
        )
    return chosen


def relative_l2(mesh: pyvista.DataSet, at: Association, difference: np.ndarray, reference: np.ndarray) -> float:
    """The norm of the difference over that of the reference, each the root of the integral of its square.

    Squares are integrated as they are interpolated between points, or as constants in cells; where the reference is
    NaN, outside its grid, nothing counts.

    Args:
        mesh: The mesh.
        at: Where the values are.
        difference: Values (points or cells, *value_shape).
        reference: Values of the same shape.
    """
    inside = np.isfinite(reference).reshape(len(reference), -1).all(axis=1)
    bare = mesh.copy(deep=False)
    bare.clear_data()
    for name, values in (("difference", difference), ("reference", reference)):
        squares = np.square(values.reshape(len(values), -1)).sum(axis=1)
        data_of(bare, at)[name] = np.where(inside, squares, 0.0)
    whole = bare.integrate_data()
    size, scale = (float(data_of(whole, at)[name][0]) for name in ("difference", "reference"))
    return float(np.sqrt(size / max(scale, np.finfo(float).tiny)))
