"""A DOLFINx `Problem` as a ForwardModel: linear maps from arrays to controls and from observables to arrays."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from dolfinx import fem
from scipy import sparse

from genmech_fem.adapters.interpolation import to_cells
from genmech_fem.adapters.sampling import sample_values
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec, check
from genmech_fem.problems.problem import Problem, digest
from genmech_fem.problems.transient import TransientProblem
from genmech_fem.problems.variational import VariationalProblem


@dataclass(frozen=True)
class LinearMap:
    """A matrix with the spec of the array on its outer side.

    Args:
        spec: Spec of the array.
        source: Name of the control or of the observable on the inner side.
        matrix: Array to control (control dofs, array size), or observable to array
            (array size, observable size).
    """

    spec: Spec
    source: str
    matrix: sparse.csr_array

    def description(self) -> dict[str, Any]:
        """Name on the inner side and sha256 of the matrix, as JSON data."""
        return {"source": self.source, "matrix": digest(self.matrix.data, self.matrix.indices, self.matrix.indptr)}


def cell_values(control: fem.Function, spec: FieldSpec, source: str) -> LinearMap:
    """Map a field on grid cells to a DG0 control: each mesh cell takes the grid cell that holds its midpoint."""
    grid = spec.place
    if not isinstance(grid, Grid) or grid.at != "cells" or spec.value_shape:
        raise ContractError(f"cell_values: expected a scalar field on the cells of a Grid, got {spec}")
    space = control.function_space
    points = space.tabulate_dof_coordinates()[:, : grid.dimension]
    index = np.floor((points - grid.lower) / np.array(grid.spacing)).astype(int)
    if (index < 0).any() or (index >= grid.shape).any():
        raise ContractError(f"cell_values: the mesh reaches outside the grid {grid}")
    columns = np.ravel_multi_index(tuple(index.T), grid.shape)
    rows = np.arange(len(points))
    matrix = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(rows), int(np.prod(grid.shape))))
    return LinearMap(spec, source, matrix)


def cell_means(control: fem.Function, spec: FieldSpec, source: str) -> LinearMap:
    """Map a field on grid cells to a DG0 control: each mesh cell takes the mean of the grid cells, weighted by area.

    Raises:
        ContractError: The field is not scalar on the cells of a Grid, or the mesh reaches outside of it.
    """
    if not isinstance(spec.place, Grid) or spec.value_shape:
        raise ContractError(f"cell_means: expected a scalar field on the cells of a Grid, got {spec}")
    space = control.function_space
    cells = np.empty(len(space.dofmap.list), dtype=np.int64)
    cells[space.dofmap.list[:, 0]] = np.arange(len(cells))
    return LinearMap(spec, source, to_cells(spec.place, space.mesh)[cells])


def sample_state(state: fem.Function, spec: FieldSpec) -> LinearMap:
    """Map the state's dofs to its values at the points of a grid.

    Raises:
        ContractError: The place is not a Grid, the value shapes differ, or points of the
            grid lie outside the mesh.
    """
    return LinearMap(spec, "state", _sampling(state, spec, spec.value_shape))


def sample_history(problem: TransientProblem, spec: FieldSpec) -> LinearMap:
    """Map the history of a problem in time to its values at the points of a grid.

    Args:
        problem: The problem.
        spec: Field of value shape (steps + 1, *value shape of the state).

    Raises:
        ContractError: As of `sample_state`.
    """
    times = problem.steps + 1
    if spec.value_shape[:1] != (times,):
        raise ContractError(f"sample_history: expected value shape ({times}, ...), got {spec}")
    once = _sampling(problem.state, spec, spec.value_shape[1:])
    return LinearMap(spec, "state", sparse.csr_array(sparse.kron(sparse.identity(times), once)))


def _sampling(state: fem.Function, spec: FieldSpec, value_shape: tuple[int, ...]) -> sparse.csr_array:
    """Matrix from dofs to values (*value_shape, *grid) in a row."""
    space = state.function_space
    shape = tuple(int(n) for n in space.value_shape)
    if not isinstance(spec.place, Grid) or value_shape != shape:
        raise ContractError(f"expected a Grid and value shape {shape}, got {spec}")
    sampling = sample_values(space, spec.place)
    outside = int((~sampling.mask).sum())
    if outside:
        raise ContractError(f"{outside} of {sampling.mask.size} grid points of '{spec.name}' lie outside the mesh")
    return sampling.matrix


def as_vector(spec: ScalarSpec, source: str) -> LinearMap:
    """Pass a vector on to a constant control, or an observable on as a vector."""
    return LinearMap(spec, source, sparse.csr_array(sparse.identity(spec.size)))


class ProblemModel:
    """A Problem as a differentiable ForwardModel; samples of a batch are solved one by one.

    Args:
        problem: The problem; its controls are overwritten by every call.
        inputs: Maps from arrays to controls (`source` is the control).
        outputs: Maps from observables to arrays (`source` is the observable).

    Raises:
        ContractError: A map names a control that the problem does not have.
    """

    def __init__(self, problem: Problem, inputs: tuple[LinearMap, ...], outputs: tuple[LinearMap, ...]) -> None:
        unknown = {m.source for m in inputs} - set(problem.controls)
        if unknown:
            raise ContractError(f"unknown controls {sorted(unknown)}: the problem has {sorted(problem.controls)}")
        self.problem, self._inputs, self._outputs = problem, inputs, outputs
        self.inputs: tuple[Spec, ...] = tuple(m.spec for m in inputs)
        self.outputs: tuple[Spec, ...] = tuple(m.spec for m in outputs)

    def description(self) -> dict[str, Any]:
        """What the outputs depend on besides the inputs, as JSON data: the problem and the sampling."""
        maps = {"inputs": self._inputs, "outputs": self._outputs}
        return {
            "problem": type(self.problem).__name__,
            **self.problem.description({m.source for m in self._inputs}),
            **{role: {m.spec.name: m.description() for m in some} for role, some in maps.items()},
        }

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Solve every sample.

        Raises:
            ContractError: The inputs do not match the specs.
            ConvergenceError: A solve failed; the message names the sample.
        """
        arrays = check(inputs, self.inputs)
        return self._gather([self._solve(arrays, i, {m.source for m in self._outputs}) for i in range(_batch(arrays))])

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` by one solve and one adjoint solve a sample."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Solve every sample and keep its state.

        Returns:
            The outputs, and a function from cotangents to gradients that needs one adjoint
            solve a sample; other calls of the model in between do not disturb it.
        """
        arrays = {name: array.copy() for name, array in check(inputs, self.inputs).items()}
        samples = [self._solve(arrays, i, {"state", *(m.source for m in self._outputs)}) for i in range(_batch(arrays))]
        states = [sample["state"] for sample in samples]
        return self._gather(samples), lambda cotangents: self.pull_back(arrays, states, cotangents)

    def dofs(self, outputs: Arrays) -> np.ndarray:
        """States (batch, dofs) from the output that has one value for each dof.

        Raises:
            ContractError: There is no such output, or it has another shape.
        """
        spec, order = self.whole_state
        given = {name: outputs[name] for name in outputs if name == spec.name}
        values = check(given, (spec,), "output")[spec.name]
        states = np.empty((len(values), len(order)))
        states[:, order] = values.reshape(len(values), -1)
        return states

    def complete(self, inputs: Arrays, states: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs of given states (dofs,), one a sample, without a solve."""
        samples = []
        for i, state in enumerate(states):
            self.set_controls(inputs, i)
            self.problem.restore(state)
            samples.append(self.problem.observe({m.source for m in self._outputs}))
        return self._gather(samples)

    def potential(self, inputs: Arrays, states: Arrays) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Potential energies of proposed states, and their gradients, without a solve.

        Args:
            inputs: The inputs.
            states: The output that is the state, on a grid whose points are its dofs.

        Returns:
            Energies (batch,), and the gradient with respect to `states`, 0 where a Dirichlet condition holds.

        Raises:
            ContractError: Arrays do not match the specs, or no output has the dofs of the state one by one.
            ValueError: The problem is not linear and symmetric.
        """
        if not isinstance(self.problem, VariationalProblem):
            raise ValueError(f"potential: expected a VariationalProblem, got {type(self.problem).__name__}")
        spec, dofs = self.whole_state
        arrays, given = check(inputs, self.inputs), check(states, (spec,), "state")[spec.name]
        if len(given) != _batch(arrays):
            raise ContractError(f"potential: expected states of {_batch(arrays)} samples, got {len(given)}")
        energies, gradients = np.empty(len(given)), np.empty(given.shape)
        for i, state in enumerate(self.dofs(states)):
            self.set_controls(arrays, i)
            energies[i], gradient = self.problem.potential(state)
            gradients[i] = gradient[dofs].reshape(spec.shape)
        return energies, {spec.name: gradients}

    @cached_property
    def whole_state(self) -> tuple[Spec, np.ndarray]:
        """The output that holds the dofs of the state one by one, and the dof of each of its numbers.

        Raises:
            ContractError: There is none.
        """
        for m in self._outputs:
            dofs = _permutation(m.matrix) if m.source == "state" else None
            if dofs is not None:
                return m.spec, dofs
        raise ContractError(
            "expected an output with one value for each dof of the state, such as a field of degree 1 "
            f"at the nodes of its mesh, got {[spec.name for spec in self.outputs]}"
        )

    def pull_back(
        self,
        arrays: Arrays,
        states: Iterable[np.ndarray],
        cotangents: Arrays,
        *,
        solve: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` at given states (dofs,), one a sample.

        Args:
            arrays: The inputs.
            states: States that count as solutions.
            cotangents: Arrays by name of output.
            solve: Solves the adjoint equation of a `VariationalProblem`; by default it is factorised.
        """
        options = {} if solve is None else {"solve": solve}
        given = check(cotangents, tuple(s for s in self.outputs if s.name in cotangents), "cotangent")
        gradients = {name: np.zeros(array.shape) for name, array in arrays.items()}
        for i, state in enumerate(states):
            inner: dict[str, np.ndarray] = {}
            for m in self._outputs:
                if m.spec.name in given:
                    pulled = m.matrix.T @ given[m.spec.name][i].ravel()
                    inner[m.source] = inner.get(m.source, 0.0) + pulled
            self.set_controls(arrays, i)
            self.problem.restore(state)
            back = self.problem.pull_back(inner, **options)
            for m in self._inputs:
                gradients[m.spec.name][i] += (m.matrix.T @ back[m.source].ravel()).reshape(m.spec.shape)
        return gradients

    def _gather(self, samples: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {
            m.spec.name: np.stack([(m.matrix @ sample[m.source]).reshape(m.spec.shape) for sample in samples])
            for m in self._outputs
        }

    def set_controls(self, arrays: Arrays, i: int) -> None:
        """Set the controls of the problem to the inputs of sample `i`."""
        self.problem.set_controls({m.source: m.matrix @ arrays[m.spec.name][i].ravel() for m in self._inputs})

    def _solve(self, arrays: Arrays, i: int, names: set[str]) -> dict[str, np.ndarray]:
        self.set_controls(arrays, i)
        self.problem.state.x.array[:] = 0.0  # a cold start: a sample does not depend on the one before
        try:
            self.problem.solve()
        except (ConvergenceError, ValueError) as error:
            raise type(error)(f"sample {i}: {error}") from error
        return self.problem.observe(names)


def _batch(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _permutation(matrix: sparse.csr_array) -> np.ndarray | None:
    """The column of the one entry of each row, if all are 1 up to rounding and no two rows share a column."""
    rows, columns = (abs(matrix) > 0.5).nonzero()
    order = columns[np.argsort(rows)]
    whole = sparse.csr_array((np.ones(len(order)), (np.arange(len(order)), order)), shape=matrix.shape)
    single = matrix.shape[0] == matrix.shape[1] == len(np.unique(order)) == len(order)
    return order if single and abs(matrix - whole).max() < 1e-9 else None
