"""Export for ParaView and other programs built on VTK: VTKHDF files."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmech_fem.datasets.moments import batch_size
from genmech_fem.datasets.store import Store
from genmech_fem.datasets.vtkhdf_file import CELL_TYPES, MESH, Image, MeshPiece, Sample, label
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import DatasetError, MissingExtraError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, Spec

try:
    import h5py
except ImportError as error:
    raise MissingExtraError("h5py", "hdf5") from error


def write_vtkhdf(
    store: Store,
    folder: Path | str,
    numbers: Sequence[int] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Write each sample to a file ``sample_NUMBER.vtkhdf``.

    Fields on grids become images, those in the cells and at the nodes of a grid one image. Fields on
    points become a mesh, at its nodes if there are as many, else in its cells. Where a set has several
    grids, or grids and a mesh, the files are ``sample_NUMBER_image0.vtkhdf``, ..., ``sample_NUMBER_mesh.vtkhdf``.
    Numbers beside the fields are field data. Units are part of the names, as ``u [mm]``; ``/`` and ``.``,
    which VTK does not take, become ``_``. Vectors and tensors in 2D get zeros as third components.

    Args:
        store: The data set; it is read batch by batch.
        folder: Where to write; files of the same names are replaced.
        numbers: The samples; None is all.
        names: The arrays; None is all. The mesh comes with the fields on it.

    Returns:
        The files.

    Raises:
        DatasetError: There is no field, a field has no place that VTK could show, names become the
            same, or an array or a sample is unknown.
        OSError: A file cannot be written.
    """
    folder = Path(folder)
    chosen = store.specs_of(names)
    labels = [label(spec) for spec in chosen]
    if len(set(labels)) < len(labels):
        raise DatasetError(f"{store.path}: expected names that differ in VTK, got {sorted(labels)}")
    pieces = _pieces(store, [spec for spec in chosen if isinstance(spec, FieldSpec)])
    scalars = [spec for spec in chosen if isinstance(spec, ScalarSpec)]
    read = [spec for spec in store.specs if spec in chosen or spec.name in MESH]
    batches = store.batches(batch_size(spec.shape for spec in read), numbers, [spec.name for spec in read])
    files = []
    for found, arrays in batches:
        folder.mkdir(parents=True, exist_ok=True)
        for row, number in enumerate(found.tolist()):
            sample = {spec.name: _one(arrays, spec, row) for spec in read}
            for suffix, piece in pieces.items():
                files.append(folder / f"sample_{number:08d}{suffix}.vtkhdf")
                write_atomic(files[-1], _file(piece, scalars, sample), sync=False)
    return files


def _pieces(store: Store, fields: Sequence[FieldSpec]) -> dict[str, Image | MeshPiece]:
    """What the files of a sample hold, by what is added to its name."""
    images: dict[Grid, list[FieldSpec]] = {}
    for spec in fields:
        if isinstance(spec.place, Grid):
            if spec.place.dimension > 3:
                raise DatasetError(f"'{spec.name}': expected a grid of 1 to 3 dimensions, got {spec.place}")
            cells = tuple(n - (spec.place.at == "nodes") for n in spec.place.shape)
            images.setdefault(Grid(cells, spec.place.lower, spec.place.upper), []).append(spec)
    pieces: dict[str, Image | MeshPiece] = {f"_image{i}": Image(*image) for i, image in enumerate(images.items())}
    on_points = [spec for spec in fields if isinstance(spec.place, Points)]
    if on_points:
        shapes = {spec.name: spec.shape[0] for spec in store.specs if spec.name in MESH and len(spec.shape) == 2}
        if tuple(shapes.get(name) for name in MESH) not in CELL_TYPES:
            raise DatasetError(
                f"{store.path}: fields on points need the arrays {MESH} of shapes (dimension, nodes) and (vertices, "
                f"cells) with (dimension, vertices) among {list(CELL_TYPES)}, got {shapes}"
            )
        pieces["_mesh"] = MeshPiece([spec for spec in on_points if spec.name not in MESH])
    if not pieces:
        raise DatasetError(f"{store.path}: expected fields to show, got none")
    return {"": next(iter(pieces.values()))} if len(pieces) == 1 else pieces


def _one(arrays: Sample, spec: Spec, row: int) -> np.ndarray:
    """One sample of an array, the padding cut off."""
    mask = arrays.get(f"{spec.name}.mask")
    return np.asarray(arrays[spec.name][row] if mask is None else arrays[spec.name][row][..., mask[row]])


def _file(piece: Image | MeshPiece, scalars: Sequence[ScalarSpec], sample: Sample) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = [1, 0]
        piece.write(root, sample)
        for spec in scalars:
            root[f"FieldData/{label(spec)}"] = sample[spec.name]
    return stream.getvalue()
