"""A file of search directions.

It maps ``residual`` (n,) or the matrix's ``diagonal`` (n,), or both, to ``directions`` (k, n) that the solution of
A z = residual should lie in. The diagonal is what any PETSc program knows of a coefficient field.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc

from genmech_fem.errors import ContractError, ConvergenceError, NotFiniteError
from genmech_fem.runtime import OnnxModel
from genmech_petsc.layout import check_one_process, diagonal, layout
from genmech_petsc.projection import Space

INPUTS, OUTPUT, LAYOUT = ("residual", "diagonal"), "directions", "petsc_layout"
PATIENCE = 3
"""Useless answers in a row after which a network is not asked again until the matrix changes."""


@dataclass
class Counts:
    """How often a network was asked, and how often its answer was of no use."""

    asked: int = 0
    refused: int = 0

    def add(self, *, useful: bool) -> None:
        """Count one answer."""
        self.asked, self.refused = self.asked + 1, self.refused + (not useful)

    def __str__(self) -> str:
        return f"asked {self.asked} times, refused {self.refused} times"


class Network:
    """An ONNX file, checked against a matrix.

    Args:
        path: The file.
        matrix: A matrix of the size, mesh and numbering that the file is for.
        threads: Threads of one evaluation.
        count: How many directions are expected; any number by default.

    Attributes:
        linear: The directions do not depend on the residual.
        needs_diagonal: They depend on the diagonal.
        counts: What came of its answers.

    Raises:
        ContractError: The file is not one of directions, or made for another matrix, or there are several processes.
        FileNotFoundError: There is no such file.
    """

    def __init__(self, path: str, matrix: PETSc.Mat, *, threads: int = 1, count: int | None = None) -> None:
        check_one_process(matrix.comm)
        self._model = OnnxModel(path, threads=threads)
        self._names, results = ([spec.name for spec in specs] for specs in (self._model.inputs, self._model.outputs))
        if not set(self._names) <= set(INPUTS) or results != [OUTPUT] or len(self._model.outputs[0].shape) != 2:
            raise ContractError(
                f"{path}: expected a map from {' or '.join(INPUTS)} (n,) to {OUTPUT} (k, n), it maps "
                f"{self._names} to {results}: write it with genmech_petsc.training"
            )
        if count not in (None, self._model.outputs[0].shape[0]):
            raise ContractError(f"{path}: expected {count} direction, it gives {self._model.outputs[0].shape[0]}")
        self._check_layout(matrix)
        self.linear, self.needs_diagonal = "residual" not in self._names, "diagonal" in self._names
        self.counts = Counts()
        self._useless, self._key = 0, (0, 0, False)
        self._space: Space | None = None

    def _check_layout(self, matrix: PETSc.Mat) -> None:
        path, size = self._model.path, matrix.getSize()[0]
        shapes = {spec.name: spec.shape for spec in (*self._model.inputs, *self._model.outputs)}
        if any(shape[-1] != size for shape in shapes.values()):
            raise ContractError(f"{path}: expected arrays of {size} unknowns, the size of the matrix, got {shapes}")
        told, found = self._model.metadata.get(LAYOUT), layout(matrix)
        if told and found and told != found:
            raise ContractError(
                f"{path}: expected the mesh, element and numbering that it was made with, got a matrix with other "
                f"entries (pattern {found}, not {told}): record and train again"
            )

    def directions(self, residual: PETSc.Vec, matrix: PETSc.Mat | None) -> np.ndarray | None:
        """Directions (k, n), or None where they are not finite; `matrix` gives the diagonal where that is an input."""
        inputs = {"residual": residual.array_r[None]}
        if self.needs_diagonal and matrix is not None:
            inputs["diagonal"] = diagonal(matrix)[None]
        try:
            return self._model({name: inputs[name] for name in self._names})[OUTPUT][0]
        except (NotFiniteError, ConvergenceError):
            return None

    def space(
        self,
        matrix: PETSc.Mat,
        source: PETSc.Mat,
        residual: PETSc.Vec,
        *,
        energy: bool,
        least: Callable[[], float] | None = None,
    ) -> Space | None:
        """The space to look for the solution in, or None where the answer is of no use.

        Args:
            matrix: The matrix of the system.
            source: The matrix whose diagonal is taken.
            residual: The right-hand side.
            energy: As for `Space.spanned`.
            least: What the space has to gain more than; is called only if the network is asked.
        """
        key = (matrix.handle, matrix.stateGet(), energy)
        changed, self._key = key != self._key, key
        if changed:
            self._useless = 0
        if not (changed or (not self.linear and self._useless < PATIENCE)):
            return self._space
        found = self.directions(residual, source)
        self._space = None if found is None else Space.spanned(matrix, found, energy=energy)
        if self._space and least and not self._space.gain(residual.array_r) > least():
            self._space = None
        self._useless = 0 if self._space else self._useless + 1
        self.counts.add(useful=self._space is not None)
        return self._space
