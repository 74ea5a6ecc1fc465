"""The accessor: ``mesh.genmech`` on every data set of PyVista, which finds this module by its entry point."""

from collections.abc import Sequence

import pyvista

from genmech_fem.errors import ContractError
from genmech_fem.fields import Grid
from genmech_pyvista import comparison, prediction
from genmech_pyvista.arrays import NUMBERS, ORDER, Association, data_of, mesh_array
from genmech_pyvista.prediction import Model
from genmech_pyvista.probing import probe
from genmech_pyvista.sampling import Outside, grid_of, image, preferred


@pyvista.register_dataset_accessor("genmech", pyvista.DataSet)
class Accessor:
    """Models of genmech_fem on a mesh; every method returns a new data set and leaves the mesh as it is.

    A field belongs to the point or cell data of its name, with or without its unit as ``u [mm]``, a vector to such
    field data.

    Args:
        mesh: Any data set of PyVista with cells.
    """

    def __init__(self, mesh: pyvista.DataSet) -> None:
        self._mesh = mesh

    def to_grid(self, place: Grid | Sequence[int], names: Sequence[str] | str | None = None) -> pyvista.ImageData:
        """Sample arrays on a regular grid, exact for fields that are linear in the cells.

        Args:
            place: The grid, such as that of a spec of an ONNX file, or the shape of one of cells in the box around
                the mesh.
            names: Names of point or cell data; all by default.

        Returns:
            An image with the arrays, NaN outside the mesh, and with ``inside``, 1 where there is mesh.

        Raises:
            ContractError: A name is unknown, or mesh and grid do not fit or do not meet.
            ValueError: The shape is none of a grid.
        """
        grid = grid_of(self._mesh, place)
        there: dict[str, Association] = {}
        for at in reversed(ORDER[preferred(grid)]):
            there |= {name: at for name, values in data_of(self._mesh, at).items() if values.dtype.kind in NUMBERS}
        names = [names] if isinstance(names, str) else names
        unknown = sorted(set(names or ()) - set(there))
        if unknown:
            raise ContractError(f"to_grid: expected names among {sorted(there)}, got {unknown}")
        arrays = [mesh_array(self._mesh, name, there[name]) for name in (there if names is None else names)]
        tables, mask = probe(self._mesh, grid, arrays)
        sampled = {array.label: table for array, table in zip(arrays, tables, strict=True)}
        return image(grid, {**sampled, "inside": mask.astype("uint8")}, self._mesh.bounds[::2])

    def predict(
        self, model: Model, *, outside: Outside = None, margin: float = 0.0, at: Association = "points"
    ) -> pyvista.DataSet:
        """Add what a model says of the fields of this mesh.

        Args:
            model: ONNX file, or any other `ForwardModel` of fields on regular grids.
            outside: Value of the input fields where the model's grid has no mesh, one for all or by name.
            margin: How far inputs may leave the training data, in widths of its range, to be accepted.
            at: Whether output fields become point or cell data.

        Returns:
            The mesh with the outputs, NaN where it leaves the model's grid; with the field data ``NAME guard
            distance`` and ``NAME accepted`` of each output, NaN and 0 where the file does not know its training data;
            and with ``NAME outside range`` of each input field: how far its values leave their range.

        Raises:
            ContractError: An array is missing or does not fit, the mesh does not meet the grid, or the file is none
                of genmech_fem.
            FileNotFoundError: There is no such file.
            ValueError: An argument is wrong.
        """
        return prediction.predict(self._mesh, prediction.loaded(model), outside=outside, margin=margin, at=at)

    def anomaly_map(self, detector: Model, *, outside: Outside = None, at: Association = "points") -> pyvista.DataSet:
        """Add where a detector of anomalies, as a file of `export.detector_to_onnx`, finds the field NAME strange.

        Args:
            detector: ONNX file, or `export.detector_model`.
            outside: Value of the field where the detector's grid has no mesh.
            at: Whether the map becomes point or cell data.

        Returns:
            The mesh with ``NAME anomaly`` and the field data ``NAME anomaly score`` and ``NAME anomaly alarm``.

        Raises:
            ContractError: It is no detector with a map; else as `predict`.
        """
        return prediction.anomaly_map(self._mesh, prediction.loaded(detector), outside=outside, at=at)

    def compare(
        self, model: Model, names: Sequence[str] | str | None = None, *, outside: Outside = None
    ) -> pyvista.DataSet:
        """Add what a solver says, and how far the fields of this mesh are from it.

        Args:
            model: Solver, such as a `ProblemModel`, or any other model that takes fields that the mesh has.
            names: Names of its outputs to compare; by default all that the mesh has.
            outside: Value of the input fields where the model's grid has no mesh, one for all or by name.

        Returns:
            The mesh with ``NAME reference``, ``NAME difference`` (mesh less solver) and the field data ``NAME relative
            L2 error``, for which each place counts by its volume.

        Raises:
            ContractError: There is nothing to compare, or as `predict`.
            ConvergenceError: The solver failed.
        """
        names = [names] if isinstance(names, str) else names
        return comparison.compare(self._mesh, prediction.loaded(model), names, outside=outside)
