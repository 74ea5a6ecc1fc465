"""Functions to files that ParaView and other programs read, with names and units."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from genmech_fem.adapters.gathered_output import Pvd, VtkHdf, Vtu
from genmech_fem.adapters.parallel_output import Vtx, Xdmf
from genmech_fem.adapters.vtk_grid import Functions
from genmech_fem.geometry.pyvista import labels


def write_fields(
    path: str | Path, functions: Functions, *, units: Mapping[str, str] | None = None, time: float = 0.0
) -> None:
    """Write functions on one mesh to one file; see `FieldWriter` for the formats, the arguments and the errors."""
    with FieldWriter(path, functions, units=units) as writer:
        writer.write(time)


class FieldWriter:
    """Writes functions on one mesh, at one time or at several; use it in a ``with`` statement.

    The suffix chooses the format:

    - ``.bp``: VTX of ADIOS2. Any degree; a series in time; written in parallel.
    - ``.xdmf``: XDMF 3 with HDF5. Functions are interpolated to the degree of the mesh, so a higher degree loses
      its nodes between the vertices; a series in time on the mesh of the beginning; written in parallel.
    - ``.vtu``: one file of VTK, one time. Any degree.
    - ``.pvd``: a series of ``.vtu`` files ``NAME_00000.vtu`` beside it.
    - ``.vtkhdf``: VTK's HDF5 file. Any degree; a series in time, which is kept in memory and written
      at the end, the times in single precision. In the names, ``/`` and ``.`` become ``_``. Needs PyVista.

    Functions with one value a cell are cell data, others point data. All but XDMF hold every
    function exactly, on cells with the highest degree among the functions and the mesh (see
    `to_pyvista`). The last three collect the grid on process 0.

    Args:
        path: Where to write; the folder must exist.
        functions: Lagrange or DG functions by name; each `write` takes their values of that moment.
        units: Units by name; they become part of the arrays' names, as ``u [mm]``.

    Raises:
        ContractError: The dofs of a function are not values at points.
        FileNotFoundError: The folder does not exist.
        MissingExtraError: PyVista is needed and not installed.
        ValueError: The suffix, a name or a unit is wrong, the functions are none or lie on different meshes, or
            the format cannot hold them.
    """

    def __init__(self, path: str | Path, functions: Functions, *, units: Mapping[str, str] | None = None) -> None:
        path = Path(path)
        if path.suffix not in _FORMATS:
            raise ValueError(f"{path}: expected a suffix among {sorted(_FORMATS)}, got {path.suffix!r}")
        if not functions:
            raise ValueError("expected at least one function, got none")
        for name, label in labels(functions, units).items():
            if not name or set(name) & set("/[]") or set(label) & set("\"'<>&"):
                raise ValueError(f"expected names without /[] and units without \"'<>&, got {label!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: expected an existing folder, got {path.parent}")
        self._time, self._open = -np.inf, True
        self._format: _Format = _FORMATS[path.suffix](path, dict(functions), units)

    def write(self, time: float) -> None:
        """Write the values that the functions have now.

        Args:
            time: Time or load factor; larger than the last one.

        Raises:
            OSError: The file cannot be written.
            ValueError: The time does not grow, the format holds one time only, or the file is closed.
        """
        if not self._open:
            raise ValueError("write: expected an open file, this one is closed")
        if not self._time < time < np.inf:
            raise ValueError(f"write: expected a finite time after {self._time:g}, got {time:g}")
        self._format.write(float(time))
        self._time = time

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: The file cannot be written.
        """
        if self._open:
            self._open = False
            self._format.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Format(Protocol):
    def write(self, time: float) -> None: ...

    def close(self) -> None: ...


_FORMATS: dict[str, Callable[[Path, Functions, Mapping[str, str] | None], _Format]] = {
    ".bp": Vtx,
    ".pvd": Pvd,
    ".vtkhdf": VtkHdf,
    ".vtu": Vtu,
    ".xdmf": Xdmf,
}
