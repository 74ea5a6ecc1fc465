"""What is observed of a solution: functionals, linear forms, and cell means of expressions."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from ufl.core.expr import Expr

from genmech_fem.problems.forms import assembled_vector, compiled, with_degrees


class Observable:
    """A vector J(u, m) that is made of UFL, and the functional c . J for the adjoint.

    Args:
        name: Its name in messages.
        given: A functional, shape (1,); several ones, shape (k,); a form with one test function,
            shape (dofs of that space,); or an expression, of which the mean in each cell is
            taken, shape (cells * components,), the components of a cell together.
        space: Space of the state, for the mesh.
        degree: Quadrature degree of the means.

    Raises:
        ValueError: It is none of these.
    """

    def __init__(self, name: str, given: Any, space: fem.FunctionSpace, degree: int) -> None:
        self._comm = space.mesh.comm
        self._volumes: np.ndarray | None = None
        if isinstance(given, Expr):
            cells = fem.functionspace(space.mesh, ("DG", 0, given.ufl_shape))
            dx = ufl.dx(domain=space.mesh, metadata={"quadrature_degree": degree})
            given = ufl.inner(given, ufl.TestFunction(cells)) * dx
            self._volumes = _dof_volumes(cells)
        forms = list(given) if isinstance(given, Sequence) else [given]
        if name == "state" or not forms or not all(isinstance(form, ufl.Form) for form in forms):
            raise ValueError(
                f"observable '{name}': expected a name other than 'state' and a UFL functional, several of them, "
                f"a form with one test function or an expression, got {given!r:.80}"
            )
        self._forms = [with_degrees(form) for form in forms]
        ranks = [len(form.arguments()) for form in self._forms]
        if ranks != [1] and set(ranks) != {0}:
            raise ValueError(f"observable '{name}': expected scalar forms, or one with a test function, got {ranks}")
        self._space = self._forms[0].arguments()[0].ufl_function_space() if ranks == [1] else None
        self.size = len(forms) if self._space is None else _local_dofs(self._space)

    def value(self) -> np.ndarray:
        """The present value (size,)."""
        if self._space is None:
            return np.array([self._comm.allreduce(fem.assemble_scalar(form)) for form in self._compiled])
        vector = assembled_vector(self._compiled[0])
        vector.scatter_forward()
        return vector.array / self._volumes if self._volumes is not None else vector.array.copy()

    @cached_property
    def functional(self) -> ufl.Form:
        """The functional c . J with the weights c of `weigh`."""
        if self._space is None:
            return sum((w * form for w, form in zip(self._weights, self._forms, strict=True)), ufl.Form([]))
        return ufl.replace(self._forms[0], {self._forms[0].arguments()[0]: self._weights[0]})

    @property
    def forms(self) -> list[ufl.Form]:
        """All forms."""
        return self._forms

    def weigh(self, cotangent: np.ndarray) -> None:
        """Set the weights c (size,)."""
        if self._space is None:
            for weight, value in zip(self._weights, np.asarray(cotangent, dtype=float), strict=True):
                weight.value = value
            return
        weight = self._weights[0]
        weight.x.array[:] = cotangent if self._volumes is None else cotangent / self._volumes
        weight.x.scatter_forward()

    @cached_property
    def _compiled(self) -> list[fem.Form]:
        return compiled(self._forms)

    @cached_property
    def _weights(self) -> list[fem.Function | fem.Constant]:
        if self._space is not None:
            return [fem.Function(self._space)]
        return [fem.Constant(form.ufl_domain(), 0.0) for form in self._forms]


def _local_dofs(space: fem.FunctionSpace) -> int:
    index_map = space.dofmap.index_map
    return (index_map.size_local + index_map.num_ghosts) * space.dofmap.bs


def _dof_volumes(space: fem.FunctionSpace) -> np.ndarray:
    """Volume of the cell of each dof of a DG0 space (dofs,)."""
    scalar = fem.functionspace(space.mesh, ("DG", 0))
    volumes = assembled_vector(compiled(ufl.TestFunction(scalar) * ufl.dx))
    volumes.scatter_forward()
    return np.repeat(volumes.array, space.dofmap.bs)
