"""Conditions as data: places, tags, names, values; what does not fit is refused with the remedy."""

import re

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.mesh import CellType
from mpi4py import MPI

from genmech_fem.problems import Tags
from genmech_fem.problems.conditions import (
    BodyForce,
    Clamped,
    Dirichlet,
    Flux,
    Pressure,
    Roller,
    Source,
    Traction,
)
from genmech_fem.problems.diffusion import diffusion
from genmech_fem.problems.elasticity import elasticity

CELLS = [CellType.triangle, CellType.quadrilateral, CellType.tetrahedron, CellType.hexahedron]


def on(axis, value):
    return lambda x: np.isclose(x[axis], value)


def square(n=2, cell=CellType.triangle):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n, cell)


def box(cell, n=2):
    plane = cell in (CellType.triangle, CellType.quadrilateral)
    create = mesh.create_unit_square if plane else mesh.create_unit_cube
    return create(MPI.COMM_SELF, *[n] * (2 if plane else 3), cell)


def tagged(domain):
    """Facets: 11 left, 12 right; cells: 1 left half, 2 right half."""
    d = domain.topology.dim
    sides = [mesh.locate_entities_boundary(domain, d - 1, on(0, value)) for value in (0.0, 1.0)]
    facets, marks = np.concatenate(sides), np.repeat([11, 12], [len(side) for side in sides]).astype(np.int32)
    order = np.argsort(facets)
    cells = np.arange(domain.topology.index_map(d).size_local, dtype=np.int32)
    right = (mesh.compute_midpoints(domain, d, cells)[:, 0] > 0.5).astype(np.int32)
    return Tags(
        facets=mesh.meshtags(domain, d - 1, facets[order], marks[order]),
        cells=mesh.meshtags(domain, d, cells, 1 + right),
        names={"left": 11, "right": 12, "matrix": 1, "fibre": 2},
    )


@pytest.mark.parametrize("cell", CELLS)
def test_resultants_of_loads(cell):
    """The gradient of the compliance in a rigid displacement u, d(work)/d(value), is the area or volume times u."""
    domain = box(cell)
    d, tags = domain.geometry.dim, tagged(domain)
    conditions = [
        Traction("right", np.ones(d)),
        Pressure(None, 1.0, name="all round"),
        Pressure(12, 1.0),
        BodyForce(np.ones(d), where="fibre"),
        BodyForce(np.ones(d), where=lambda x: x[0] < 1.1),
    ]
    problem = elasticity(domain, [Clamped("left"), *conditions], tags=tags)
    shift = 1.0 + np.arange(d)
    problem.state.interpolate(lambda x: np.tile(shift[:, None], x.shape[1]))
    works = {
        "traction": shift,
        "all round": [0.0],
        "pressure": [-shift[0]],
        "body_force": shift / 2,
        "body_force_2": shift,
    }
    assert list(problem.controls) == ["youngs_modulus", "poisson_ratio", *works]
    for name, expected in works.items():
        for other in works:
            problem.controls[other].value = 0.0
        found = []
        for k in range(len(expected)):
            problem.controls[name].value = np.eye(d)[k] if len(expected) > 1 else 1.0
            found.append(problem.observe(["compliance"])["compliance"][0])
        np.testing.assert_allclose(found, expected, atol=1e-14)


def test_two_laminae_of_tagged_materials():
    """Heat through two layers in series: u is linear in each, the flux is 1 / (1/2 + 1/6)."""
    domain = square(4)
    tags = tagged(domain)
    problem = diffusion(domain, [Dirichlet("left", 0.0), Dirichlet("right", 1.0)], tags=tags)
    tags.write(problem.controls["conductivity"], {"matrix": 1.0, 2: 3.0})
    problem.solve()
    flux = 1 / (1 / 2 + 1 / 6)
    np.testing.assert_allclose(problem.observe()["flux"].reshape(-1, 2), np.tile([-flux, 0], (32, 1)), atol=1e-13)
    assert problem.observe()["dissipation"] == pytest.approx(flux, rel=1e-13)
    assert list(problem.controls) == ["conductivity", "boundary_value", "boundary_value_2"]


def test_tensors_by_tag():
    domain = square()
    tags, problem = tagged(domain), diffusion(domain, anisotropic=True)
    control = problem.controls["conductivity"]
    tags.write(control, {"fibre": [[5.0, 1.0], [1.0, 2.0]]})
    found = control.x.array.reshape(-1, 3)
    expected = np.where((tags.cells.values == 2)[:, None], [5.0, 1.0, 2.0], [1.0, 0.0, 1.0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dimension", [2, 3])
def test_physical_groups_of_gmsh(dimension):
    """A disc or ball in a box: the names of gmsh are those of the conditions."""
    gmsh = pytest.importorskip("gmsh")
    from dolfinx.io import gmsh as reader

    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        occ = gmsh.model.occ
        if dimension == 2:
            outer, inner = occ.addRectangle(0, 0, 0, 1, 1), occ.addDisk(0.5, 0.5, 0, 0.3, 0.3)
        else:
            outer, inner = occ.addBox(0, 0, 0, 1, 1, 1), occ.addSphere(0.5, 0.5, 0.5, 0.3)
        occ.fragment([(dimension, outer)], [(dimension, inner)])
        occ.synchronize()
        parts = sorted(tag for _, tag in gmsh.model.getEntities(dimension))
        volumes = [occ.getMass(dimension, tag) for tag in parts]
        small = parts[int(np.argmin(volumes))]
        gmsh.model.addPhysicalGroup(dimension, [small], 7, "fibre")
        gmsh.model.addPhysicalGroup(dimension, [tag for tag in parts if tag != small], 8, "matrix")
        for name, tag, x in (("left", 21, 0.0), ("right", 22, 1.0)):
            corners = [x - 1e-3, *[-1e-3] * 2, x + 1e-3, *[1 + 1e-3] * 2]
            sides = [t for _, t in gmsh.model.getEntitiesInBoundingBox(*corners, dimension - 1)]
            gmsh.model.addPhysicalGroup(dimension - 1, sides, tag, name)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.25)
        gmsh.model.mesh.generate(dimension)
        data = reader.model_to_mesh(gmsh.model, MPI.COMM_SELF, 0, gdim=dimension)
    finally:
        gmsh.finalize()
    tags = Tags(data.facet_tags, data.cell_tags, {name: group.tag for name, group in data.physical_groups.items()})
    problem = elasticity(data.mesh, [Clamped("left"), Traction("right", np.eye(dimension)[0])], tags=tags)
    problem.solve()
    soft = problem.observe()["compliance"][0]
    E = problem.controls["youngs_modulus"]
    tags.write(E, {"fibre": 10.0, "matrix": 1.0})
    problem.solve()
    assert problem.observe()["compliance"][0] < soft
    fibre = (fem.assemble_scalar(fem.form(E * ufl.dx)) - 1) / 9
    assert fibre == pytest.approx(np.pi * 0.3**2 if dimension == 2 else 4 / 3 * np.pi * 0.3**3, rel=0.15)


def test_values_that_are_functions_are_controls_themselves():
    """u = x y on the boundary and f = 0: u is harmonic and lies in the space of Q1."""
    domain = square(4, CellType.quadrilateral)
    space = fem.functionspace(domain, ("Lagrange", 1))
    boundary = fem.Function(space)
    boundary.interpolate(lambda x: x[0] * x[1])
    source = fem.Function(fem.functionspace(domain, ("DG", 0)))
    problem = diffusion(domain, [Dirichlet(value=boundary), Source(source, name="heat")])
    assert problem.controls["heat"] is source
    assert problem.controls["boundary_value"] is boundary
    np.testing.assert_allclose(problem.solve().x.array, boundary.x.array, atol=1e-14)


def test_one_component_of_a_function():
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
    shear = fem.Function(space)
    shear.interpolate(lambda x: [0.1 * x[1], 5.0 + 0 * x[0]])
    u = elasticity(domain, [Dirichlet(value=shear, component=0), Dirichlet(component=1, name="y")]).solve()
    np.testing.assert_allclose(u.x.array[0::2], shear.x.array[0::2], atol=1e-15)
    np.testing.assert_allclose(u.x.array[1::2], 0.0, atol=1e-15)


def test_conditions_may_share_a_control():
    domain = square()
    load = fem.Constant(domain, [1.0, 0.0])
    shared = [Traction(on(0, 1.0), load, name="pull"), Traction(on(1, 1.0), load, name="pull")]
    problem = elasticity(domain, [Clamped(on(0, 0.0)), *shared])
    assert list(problem.controls) == ["youngs_modulus", "poisson_ratio", "pull"]
    unnamed = elasticity(domain, [Clamped(on(0, 0.0)), Traction(on(0, 1.0), load), Traction(on(1, 1.0), load)])
    assert list(unnamed.controls) == ["youngs_modulus", "poisson_ratio", "traction"]


def test_a_dirichlet_condition_may_lie_inside():
    domain = square(4)
    d = domain.topology.dim
    domain.topology.create_entities(d - 1)
    middle = mesh.locate_entities(domain, d - 1, on(0, 0.5))
    tags = Tags(mesh.meshtags(domain, d - 1, middle, np.full(len(middle), 5, dtype=np.int32)))
    u = diffusion(domain, [Dirichlet(on(0, 0.0)), Dirichlet(5, 1.0)], tags=tags).solve()
    x = u.function_space.tabulate_dof_coordinates()[:, 0]
    np.testing.assert_allclose(u.x.array, np.minimum(2 * x, 1.0), atol=1e-14)
    with pytest.raises(ValueError, match="facets of the boundary for a load, 4 lie inside"):
        diffusion(domain, [Dirichlet(on(0, 0.0)), Flux(5, 1.0)], tags=tags)


LEFT = on(0, 0.0)
FACETS = "among [11, 12], with the names {'left': 11, 'right': 12}"
REFUSED = [
    (elasticity, [Clamped("top")], f"where='top': expected a tag of the facets {FACETS}"),
    (elasticity, [Clamped(3)], f"where=3: expected a tag of the facets {FACETS}"),
    (elasticity, [Clamped("fibre")], f"where='fibre': expected a tag of the facets {FACETS}"),
    (elasticity, [BodyForce((0, 1), "left")], "where='left': expected a tag of the cells among [1, 2]"),
    (elasticity, [Clamped(on(0, 2.0))], "expected at least one of the mesh's facets there, found none"),
    (elasticity, [BodyForce((0, 1), on(0, 2.0))], "expected at least one of the mesh's cells there, found none"),
    (elasticity, [Traction(LEFT, 1.0)], "Traction: value: expected shape (2,), got ()"),
    (elasticity, [Traction(LEFT, (1.0, 0, 0))], "Traction: value: expected shape (2,), got (3,)"),
    (elasticity, [Pressure(LEFT, (1.0, 0))], "Pressure: value: expected shape (), got (2,)"),
    (elasticity, [Dirichlet(LEFT, (1.0, 0), component=0)], "Dirichlet: value: expected shape (), got (2,)"),
    (elasticity, [Dirichlet(LEFT, component=2)], "Dirichlet: component: expected a number from 0 to 1, got 2"),
    (elasticity, [Roller(LEFT, -1)], "Roller: axis: expected a number from 0 to 1, got -1"),
    (elasticity, [Pressure(LEFT, 1, "p"), Pressure(LEFT, 2, "p")], "expected different names, got two controls 'p'"),
    (elasticity, [Pressure(LEFT, 1, "poisson_ratio")], "got ['poisson_ratio']: pass name=..."),
    (diffusion, [Dirichlet(LEFT, component=0)], "component: expected None, the state has no components, got 0"),
    (diffusion, [Source((1.0, 0))], "Source: value: expected shape (), got (2,)"),
]


@pytest.mark.parametrize(("physics", "conditions", "message"), REFUSED)
def test_places_and_values_that_do_not_fit(physics, conditions, message):
    domain = square()
    with pytest.raises(ValueError, match=re.escape(message)):
        physics(domain, conditions, tags=tagged(domain))


def test_tags_that_do_not_fit():
    domain = square()
    with pytest.raises(ValueError, match=r"expected a mesh with tagged facets: pass tags=Tags\(facets=...\)"):
        elasticity(domain, [Clamped(3)])
    with pytest.raises(ValueError, match="facets: expected tags of dimension 1, got 2"):
        Tags(facets=tagged(domain).cells)


def test_prisms():
    domain = mesh.create_unit_cube(MPI.COMM_SELF, 1, 1, 1, CellType.prism)
    with pytest.raises(ValueError, match="expected cells with facets of one shape, got prisms"):
        diffusion(domain)


def test_functions_that_do_not_fit():
    domain = square()
    vector = fem.Function(fem.functionspace(domain, ("Lagrange", 1, (2,))))
    with pytest.raises(ValueError, match=r"Source: value: expected shape \(\), got \(2,\)"):
        diffusion(domain, [Source(vector)])
    with pytest.raises(ValueError, match="expected a function in the space of the state"):
        elasticity(domain, [Dirichlet(LEFT, vector)], degree=2)
    with pytest.raises(ValueError, match="expected a value on the mesh of the problem"):
        diffusion(domain, [Source(fem.Constant(square(), 1.0))])


@pytest.mark.parametrize(
    ("physics", "conditions", "message"),
    [
        (diffusion, [Traction(LEFT, (1, 0))], "expected Dirichlet, Source, Flux, got Traction("),
        (
            elasticity,
            [Flux(LEFT, 1.0)],
            "expected Dirichlet, Roller, Clamped, Traction, Pressure, BodyForce, got Flux(",
        ),
        (diffusion, Dirichlet(), "expected a list of Dirichlet, Source, Flux, got Dirichlet("),
    ],
)
def test_conditions_of_another_physics(physics, conditions, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        physics(square(), conditions)


def test_material_data_that_do_not_fit():
    domain = square()
    tags, problem = tagged(domain), elasticity(domain, [Clamped(None)])
    E, K = problem.controls["youngs_modulus"], diffusion(domain, anisotropic=True).controls["conductivity"]
    for control, values, message in (
        (E, {"fibre": 7.0, "steel": 1.0}, "a tag of the cells among [1, 2], with the names {'matrix': 1, 'fibre': 2}"),
        (E, {"fibre": [1.0, 2.0]}, "value of 'fibre': expected numbers of shape (), got [1.0, 2.0]"),
        (problem.state, {"fibre": [1.0, 2.0]}, "expected one value a cell"),
        (K, {1: [[1.0, 0.5], [0.0, 1.0]]}, "value of 1: expected symmetric numbers of shape (2, 2)"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            tags.write(control, values)
    assert (E.x.array == 1.0).all()
