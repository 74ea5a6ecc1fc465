"""Conditions made into function spaces, controls, Dirichlet conditions and forms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from numpy.typing import ArrayLike
from ufl.domain import extract_unique_domain

from genmech_fem.problems.conditions import Clamped, Condition, Dirichlet, Load, Roller
from genmech_fem.problems.places import Places
from genmech_fem.problems.problem import Control
from genmech_fem.problems.tags import Tags


@dataclass(frozen=True)
class Applied:
    """Conditions on a function space.

    Attributes:
        space: Lagrange space of the state.
        controls: Values by name.
        bcs: Dirichlet conditions.
        loads: Loads with their values and measures.
    """

    space: fem.FunctionSpace
    controls: Mapping[str, Control]
    bcs: Sequence[fem.DirichletBC]
    loads: Sequence[tuple[Load, Control, ufl.Measure]]

    def controls_with(self, material: Mapping[str, Control]) -> dict[str, Control]:
        """Controls of the material, then those of the conditions.

        Raises:
            ValueError: A condition has the name of a material parameter.
        """
        shared = sorted(set(material) & set(self.controls))
        if shared:
            raise ValueError(f"conditions: expected names other than {sorted(material)}, got {shared}: pass name=...")
        return {**material, **self.controls}

    def work(self, v: Any, F: Any = None) -> ufl.Form:
        """Virtual work of all loads in `v`, an empty form if there are none.

        Args:
            v: Test function, or the state itself.
            F: Deformation gradient, of the size of the mesh's dimension; by default the deformation is small.
        """
        total = ufl.Form([])
        for load, value, measure in self.loads:
            normal = ufl.FacetNormal(measure.ufl_domain())
            total += load.density(value, v, normal if F is None else ufl.cofac(F) * normal) * measure
        return total


def apply(
    conditions: Sequence[Condition],
    domain: mesh.Mesh,
    *,
    allowed: tuple[type, ...],
    shape: tuple[int, ...],
    degree: int,
    tags: Tags | None = None,
    quadrature_degree: int | None = None,
) -> Applied:
    """Make the space of the state, controls, Dirichlet conditions and measures; to be called on all processes.

    Args:
        conditions: The conditions. Two may share a control if both are given the same DOLFINx object.
        domain: The mesh.
        allowed: Kinds of conditions that fit the physics.
        shape: Value shape of the state.
        degree: Polynomial degree of the state.
        tags: Tags that `where` refers to.
        quadrature_degree: Of the loads; by default twice the degree of the state.

    Raises:
        TypeError: A condition does not fit the physics.
        ValueError: A place is empty or unknown, a value has the wrong shape, or two controls have the same name.
    """
    _check_kinds(conditions, allowed)
    space, places = _state_space(domain, degree, shape, conditions), Places(domain, tags or Tags())
    metadata = {"quadrature_degree": 2 * degree if quadrature_degree is None else quadrature_degree}
    parts: dict[str, list[tuple[int, np.ndarray]]] = {"ds": [], "dx": []}
    measures = {kind: ufl.Measure(kind, domain=domain, subdomain_data=parts[kind], metadata=metadata) for kind in parts}
    controls: dict[str, Control] = {}
    bcs, loads = [], []
    for condition in conditions:
        if isinstance(condition, Load):
            value = _control(condition, domain, () if condition.scalar else (domain.geometry.dim,), controls)
            find, part = (places.boundary, "ds") if condition.on == "facets" else (places.cells, "dx")
            parts[part].append((len(parts[part]), find(condition.where)))
            loads.append((condition, value, measures[part](len(parts[part]) - 1)))
        else:
            bcs.append(_held(condition, space, places.facets(condition.where), controls))
    return Applied(space, controls, bcs, loads)


def cell_control(domain: mesh.Mesh, name: str, value: ArrayLike) -> fem.Function:
    """Control with one value a cell: a number, or a symmetric tensor of which the lower triangle is kept."""
    shape = np.shape(value)
    element = basix.ufl.element("DG", domain.basix_cell(), 0, shape=shape, symmetry=True if shape else None)
    control = fem.Function(fem.functionspace(domain, element), name=name)
    control.interpolate(lambda x: np.tile(np.reshape(value, (-1, 1)), x.shape[1]))
    control.x.scatter_forward()
    return control


def cell_measure(domain: mesh.Mesh, quadrature_degree: int) -> ufl.Measure:
    """Integral over the cells by a quadrature of this degree."""
    return ufl.dx(domain=domain, metadata={"quadrature_degree": quadrature_degree})


def stiffness_degree(domain: mesh.Mesh, degree: int) -> int:
    """Least quadrature degree of the stiffness of Lagrange elements that keeps their order of convergence."""
    affine = domain.ufl_domain().is_piecewise_linear_simplex_domain()
    return 2 * (degree - 1) if affine else 2 * degree


def _check_kinds(conditions: Sequence[Condition], allowed: tuple[type, ...]) -> None:
    expected = ", ".join(kind.__name__ for kind in allowed)
    if not isinstance(conditions, Sequence):
        raise TypeError(f"conditions: expected a list of {expected}, got {conditions!r:.80}")
    for condition in conditions:
        if not isinstance(condition, allowed):
            raise TypeError(f"conditions: expected {expected}, got {condition!r:.80}")


def _state_space(
    domain: mesh.Mesh, degree: int, shape: tuple[int, ...], conditions: Sequence[Condition]
) -> fem.FunctionSpace:
    """The space of the functions given as Dirichlet values, or else a new one."""
    element = basix.ufl.element("Lagrange", domain.basix_cell(), degree, shape=shape)
    values = [condition.value for condition in conditions if isinstance(condition, Dirichlet)]
    given = [value.function_space for value in values if isinstance(value, fem.Function)]
    fitting = [space for space in given if space.mesh is domain and space.ufl_element() == element]
    return fitting[0] if fitting else fem.functionspace(domain, element)


def _held(
    condition: Dirichlet | Roller | Clamped, space: fem.FunctionSpace, facets: np.ndarray, controls: dict[str, Control]
) -> fem.DirichletBC:
    component = {Dirichlet: "component", Roller: "axis"}.get(type(condition))
    axis = getattr(condition, component) if component else None
    shape = tuple(int(n) for n in space.value_shape)
    if axis is not None and not (shape and 0 <= axis < shape[0]):
        expected = f"a number from 0 to {shape[0] - 1}" if shape else "None, the state has no components"
        raise ValueError(f"{type(condition).__name__}: {component}: expected {expected}, got {axis!r}")
    part = space if axis is None else space.sub(axis)
    expected_shape = shape if axis is None else ()
    if isinstance(condition, Dirichlet):
        value = _control(condition, space.mesh, expected_shape, controls, space)
    else:
        value = fem.Constant(space.mesh, np.zeros(expected_shape))
    dofs = fem.locate_dofs_topological(part, space.mesh.topology.dim - 1, facets)
    if isinstance(value, fem.Constant):
        return fem.dirichletbc(value, dofs, part)
    return fem.dirichletbc(value, dofs) if axis is None else fem.dirichletbc(value, [dofs, dofs], part)


def _control(
    condition: Dirichlet | Load,
    domain: mesh.Mesh,
    shape: tuple[int, ...],
    controls: dict[str, Control],
    space: fem.FunctionSpace | None = None,
) -> Control:
    """Make the control of a condition, of a value shape or, if it is a function, in a given space; enter its name."""
    name, value = condition.name or _free_name(condition, controls), condition.value
    if not isinstance(value, fem.Function | fem.Constant):
        numbers = np.asarray(value, dtype=float)
        if numbers.ndim == 0 and numbers == 0.0:
            numbers = np.zeros(shape)
        _check_shape(condition, numbers.shape, shape)
        value = fem.Constant(domain, numbers)
    elif extract_unique_domain(value) is not domain.ufl_domain():
        raise ValueError(f"control '{name}': expected a value on the mesh of the problem, got one on another mesh")
    elif isinstance(value, fem.Constant) or space is None:
        _check_shape(condition, tuple(value.ufl_shape), shape)
    elif value.function_space != space:
        raise ValueError(
            f"control '{name}': expected a function in the space of the state, {space.ufl_element()}, "
            f"the same object for all such conditions; got one in {value.function_space.ufl_element()}"
        )
    if controls.setdefault(name, value) is not value:
        raise ValueError(f"conditions: expected different names, got two controls '{name}': pass name=...")
    return value


def _free_name(condition: Dirichlet | Load, controls: Mapping[str, Control]) -> str:
    shared = next((name for name, control in controls.items() if control is condition.value), None)
    if shared is not None:
        return shared
    name, number = condition.default_name, 1
    while name in controls:
        number += 1
        name = f"{condition.default_name}_{number}"
    return name


def _check_shape(condition: Dirichlet | Load, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if got != expected:
        raise ValueError(f"{type(condition).__name__}: value: expected shape {expected}, got {got}")
