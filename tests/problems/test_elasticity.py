"""Linear elasticity: patch tests, closed forms, sensitivities."""

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.mesh import CellType
from mpi4py import MPI

from genmech_fem.problems import Tags, elasticity, lame
from genmech_fem.problems.conditions import BodyForce, Clamped, Dirichlet, Pressure, Roller, Traction
from genmech_fem.problems.solver_options import SolverOptions

E, NU = 70.0, 0.33
CASES = [
    (CellType.triangle, "plane strain"),
    (CellType.quadrilateral, "plane stress"),
    (CellType.tetrahedron, "plane strain"),
    (CellType.hexahedron, "plane strain"),
]


def on(axis, value):
    return lambda x: np.isclose(x[axis], value)


def box(cell, n, generator=None):
    """Unit square or cube; with a generator the inner vertices are moved at random."""
    plane = cell in (CellType.triangle, CellType.quadrilateral)
    create = mesh.create_unit_square if plane else mesh.create_unit_cube
    domain = create(MPI.COMM_SELF, *[n] * (2 if plane else 3), cell)
    if generator is not None:
        x = domain.geometry.x[:, : domain.geometry.dim]
        inside = ((x > 1e-6) & (x < 1 - 1e-6)).all(axis=1)
        x[inside] += generator.uniform(-0.15, 0.15, (int(inside.sum()), x.shape[1])) / n
    return domain


def set_material(problem, modulus=E, ratio=NU):
    problem.controls["youngs_modulus"].x.array[:] = modulus
    problem.controls["poisson_ratio"].x.array[:] = ratio


def hooke(strain, hypothesis):
    """Stress of a uniform strain, from Hooke's law in three dimensions."""
    d = len(strain)
    full = np.zeros((3, 3))
    full[:d, :d] = strain
    if d == 2 and hypothesis == "plane stress":
        full[2, 2] = -NU / (1 - NU) * np.trace(strain)
    stress = E / (1 + NU) * (full + NU / (1 - 2 * NU) * np.trace(full) * np.eye(3))
    return stress[:d, :d]


@pytest.mark.parametrize(("cell", "hypothesis"), CASES)
def test_patch_of_given_displacements(generator, cell, hypothesis):
    """A linear displacement on the boundary is continued exactly, whatever the mesh."""
    domain = box(cell, 3, generator)
    d = domain.geometry.dim
    gradient = generator.uniform(-1.0, 1.0, (d, d))
    linear = fem.Function(fem.functionspace(domain, ("Lagrange", 1, (d,))))
    linear.interpolate(lambda x: gradient @ x[:d])
    problem = elasticity(domain, [Dirichlet(value=linear)], hypothesis=hypothesis)
    set_material(problem)
    expected = linear.x.array.copy()
    np.testing.assert_allclose(problem.solve().x.array, expected, atol=1e-12)
    observed, strain = problem.observe(), (gradient + gradient.T) / 2
    stress = hooke(strain, hypothesis)
    np.testing.assert_allclose(observed["strain"].reshape(-1, d, d) - strain, 0.0, atol=1e-12)
    np.testing.assert_allclose(observed["stress"].reshape(-1, d, d) - stress, 0.0, atol=1e-12 * E)
    assert observed["strain_energy"][0] == pytest.approx((stress * strain).sum() / 2, rel=1e-12)


@pytest.mark.parametrize(("cell", "hypothesis"), CASES)
def test_patch_of_tractions(generator, cell, hypothesis):
    """Rollers, a pressure and tractions in equilibrium give a uniform stress, whatever the mesh."""
    domain = box(cell, 3, generator)
    d = domain.geometry.dim
    stress = np.diag([-3.0, 2.0, 1.0][:d])
    rollers = [Roller(on(axis, 0.0), axis) for axis in range(d)]
    tractions = [Traction(on(axis, 1.0), stress[axis]) for axis in range(1, d)]
    problem = elasticity(domain, [*rollers, Pressure(on(0, 1.0), 3.0), *tractions], hypothesis=hypothesis)
    set_material(problem)
    problem.solve()
    found = problem.observe()["strain"].reshape(-1, d, d)
    np.testing.assert_allclose(problem.observe()["stress"].reshape(-1, d, d) - stress, 0.0, atol=1e-12 * E)
    np.testing.assert_allclose(hooke(found[0], hypothesis), stress, atol=1e-12 * E)
    x = problem.state.function_space.tabulate_dof_coordinates()[:, :d]
    np.testing.assert_allclose(problem.state.x.array.reshape(-1, d), x @ found[0], atol=1e-12)


@pytest.mark.parametrize(("cell", "hypothesis"), CASES)
def test_patch_of_shear_tractions(generator, cell, hypothesis):
    """Linear displacements on one side, the tractions of the same stress on all others."""
    domain = box(cell, 3, generator)
    d = domain.geometry.dim
    gradient = generator.uniform(-1.0, 1.0, (d, d))
    stress = hooke((gradient + gradient.T) / 2, hypothesis)
    linear = fem.Function(fem.functionspace(domain, ("Lagrange", 1, (d,))))
    linear.interpolate(lambda x: gradient @ x[:d])
    sides = [Traction(on(axis, end), (2 * end - 1) * stress[axis]) for axis in range(d) for end in (0.0, 1.0)]
    problem = elasticity(domain, [Dirichlet(on(0, 0.0), linear), *sides[1:]], hypothesis=hypothesis)
    set_material(problem)
    np.testing.assert_allclose(problem.solve().x.array, linear.x.array, atol=1e-12)
    assert list(problem.controls)[-1] == f"traction_{2 * d - 1}"


@pytest.mark.parametrize(
    ("hypothesis", "along", "across"),
    [
        ("plane stress", 1 / E, -NU / E),
        ("plane strain", (1 - NU**2) / E, -NU * (1 + NU) / E),
    ],
)
def test_uniaxial_tension(hypothesis, along, across):
    pull = [Roller(on(0, 0.0), 0), Roller(on(1, 0.0), 1), Traction(on(0, 1.0), (5.0, 0.0))]
    problem = elasticity(box(CellType.triangle, 2), pull, hypothesis=hypothesis)
    set_material(problem)
    problem.solve()
    strain = problem.observe()["strain"].reshape(-1, 2, 2).mean(axis=0)
    np.testing.assert_allclose(strain, np.diag([5.0 * along, 5.0 * across]), atol=1e-15)
    assert problem.observe()["compliance"][0] == pytest.approx(25.0 * along, rel=1e-12)


def test_a_column_under_its_own_weight():
    """nu = 0: u_y = - g (y - y^2 / 2) / E, in the space of quadratic elements."""
    conditions = [Clamped(on(1, 0.0)), BodyForce((0.0, -4.0))]
    problem = elasticity(box(CellType.quadrilateral, 2), conditions, degree=2)
    set_material(problem, ratio=0.0)
    u = problem.solve()
    y = u.function_space.tabulate_dof_coordinates()[:, 1]
    np.testing.assert_allclose(u.x.array[1::2], -4.0 / E * (y - y**2 / 2), atol=1e-13)
    assert problem.observe()["compliance"][0] == pytest.approx(16.0 / E / 3, rel=1e-12)


def test_thick_cylinder_under_pressure():
    """Lame: u_r = (1 + nu) p a^2 / (E (b^2 - a^2)) ((1 - 2 nu) r + b^2 / r), a quarter in plane strain."""
    a, b, p = 1.0, 2.0, 3.0
    domain = mesh.create_rectangle(MPI.COMM_SELF, [[a, 0.0], [b, np.pi / 2]], (12, 16), CellType.quadrilateral)
    inner = mesh.locate_entities_boundary(domain, 1, on(0, a))
    r, angle = domain.geometry.x[:, :2].T.copy()
    domain.geometry.x[:, :2] = np.column_stack([r * np.cos(angle), r * np.sin(angle)])
    tags = Tags(mesh.meshtags(domain, 1, np.sort(inner), np.full(len(inner), 1, dtype=np.int32)))
    conditions = [Roller(on(0, 0.0), 0), Roller(on(1, 0.0), 1), Pressure(1, p)]
    problem = elasticity(domain, conditions, degree=2, tags=tags)
    set_material(problem)
    u = problem.solve().x.array.reshape(-1, 2)
    x = problem.state.function_space.tabulate_dof_coordinates()[:, :2]
    r = np.linalg.norm(x, axis=1)
    exact = (1 + NU) * p * a**2 / (E * (b**2 - a**2)) * ((1 - 2 * NU) * r + b**2 / r)
    radial = (u * x).sum(axis=1) / r
    assert np.abs(radial / exact - 1).max() < 4e-3  # the polygon is 12 sided inside
    np.testing.assert_allclose(u - radial[:, None] * x / r[:, None], 0.0, atol=4e-3 * exact.max())


def loaded(hypothesis, cell, generator):
    """A body with every kind of condition and a random material."""
    domain = box(cell, 3 if cell in (CellType.triangle, CellType.quadrilateral) else 2)
    d = domain.geometry.dim
    conditions = [
        Roller(on(0, 0.0), 0),
        Dirichlet(on(1, 0.0), 0.1 * np.ones(d)),
        Dirichlet(on(1, 1.0), -0.2, component=1, name="squeeze"),
        Traction(on(0, 1.0), np.linspace(0.5, 1.0, d)),
        Pressure(on(0, 1.0), 0.3),
        BodyForce(np.linspace(-1.0, 1.0, d)),
    ]
    problem = elasticity(domain, conditions, hypothesis=hypothesis)
    cells = problem.controls["youngs_modulus"].x.array.size
    set_material(problem, generator.uniform(1.0, 3.0, cells), generator.uniform(0.1, 0.35, cells))
    problem.solve()
    return problem


ALL = {"state", "strain_energy", "compliance", "stress", "strain"}


@pytest.mark.parametrize(("case", "names"), [(CASES[1], ALL), (CASES[2], {"state", "compliance"})])
def test_taylor(taylor_order, generator, case, names):
    cell, hypothesis = case
    problem = loaded(hypothesis, cell, generator)
    observed = problem.observe()
    assert set(observed) == ALL
    cotangents = {name: generator.standard_normal(observed[name].shape) for name in sorted(names)}
    assert taylor_order(problem, cotangents, generator, steps=(4e-3, 2e-3, 1e-3)) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    "name",
    ["youngs_modulus", "poisson_ratio", "boundary_value", "squeeze", "traction", "pressure", "body_force"],
)
def test_taylor_of_each_control(taylor_order, generator, name):
    problem = loaded("plane stress", CellType.quadrilateral, generator)
    cotangents = {"compliance": np.ones(1), "strain_energy": np.ones(1)}
    order = taylor_order(problem, cotangents, generator, names=[name], steps=(4e-3, 2e-3, 1e-3))
    assert order == pytest.approx(2.0, abs=0.1)


def test_compliance_gradient_is_minus_the_energy_density(generator):
    """Self-adjoint: dC/dE_e is - 2 W_e / E_e for loads on a body at rest; and C is quadratic in them."""
    domain = box(CellType.triangle, 4)
    problem = elasticity(domain, [Clamped(on(0, 0.0)), Traction(on(0, 1.0), (0.0, -1.0))], hypothesis="plane stress")
    modulus = problem.controls["youngs_modulus"]
    modulus.x.array[:] = generator.uniform(1.0, 3.0, modulus.x.array.size)
    problem.solve()
    observed, gradients = problem.observe(), problem.pull_back({"compliance": np.ones(1)})
    area = 1 / 32
    energy = (observed["stress"] * observed["strain"]).reshape(-1, 4).sum(axis=1) * area / 2
    np.testing.assert_allclose(gradients["youngs_modulus"], -2 * energy / modulus.x.array, rtol=1e-10)
    assert gradients["traction"] @ [0.0, -1.0] == pytest.approx(2 * observed["compliance"][0], rel=1e-12)
    assert observed["strain_energy"][0] == pytest.approx(energy.sum(), rel=1e-12)


def test_reaction_is_the_gradient_by_a_given_displacement():
    """Plane stress tension by a displacement d: W = E d^2 / 2, so dW/dd = E d."""
    hold = [Roller(on(0, 0.0), 0), Roller(on(1, 0.0), 1), Dirichlet(on(0, 1.0), 0.2, component=0, name="d")]
    problem = elasticity(box(CellType.quadrilateral, 2), hold, hypothesis="plane stress")
    set_material(problem)
    problem.solve()
    assert "compliance" not in problem.observe()
    assert problem.observe()["strain_energy"][0] == pytest.approx(E * 0.02, rel=1e-12)
    assert problem.pull_back({"strain_energy": np.ones(1)})["d"] == pytest.approx([E * 0.2], rel=1e-12)


def test_petsc_options_of_the_user():
    pull = [Clamped(on(0, 0.0)), Traction(on(0, 1.0), (1.0, 0.0, 0.0))]
    domain = box(CellType.hexahedron, 4)
    direct = elasticity(domain, pull).solve().x.array.copy()
    iterative = SolverOptions(petsc_options={"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-12})
    np.testing.assert_allclose(elasticity(domain, pull, solver=iterative).solve().x.array, direct, atol=1e-9)


def test_lame():
    assert lame(2.0, 0.25) == pytest.approx((0.8, 0.8))


@pytest.mark.parametrize(
    ("hypothesis", "name", "value", "message"),
    [
        ("plane strain", "youngs_modulus", 0.0, "expected youngs_modulus > 0, got 0"),
        ("plane strain", "poisson_ratio", 0.5, "expected 0.5 - poisson_ratio > 0, got 0"),
        ("plane stress", "poisson_ratio", 1.1, "expected 1 - poisson_ratio > 0, got -0.1"),
        ("plane stress", "poisson_ratio", -1.5, r"expected 1 \+ poisson_ratio > 0, got -0.5"),
    ],
)
def test_materials_that_do_not_exist(hypothesis, name, value, message):
    problem = elasticity(box(CellType.triangle, 2), [Clamped(None)], hypothesis=hypothesis)
    problem.controls[name].x.array[3] = value
    with pytest.raises(ValueError, match=f"{message} in cell 3"):
        problem.solve()


def test_incompressible_plane_stress():
    """nu = 1/2 is no limit in plane stress: pulled by t, it narrows by t / (2 E)."""
    pull = [Roller(on(0, 0.0), 0), Roller(on(1, 0.0), 1), Traction(on(0, 1.0), (1.0, 0.0))]
    problem = elasticity(box(CellType.triangle, 2), pull, hypothesis="plane stress")
    set_material(problem, ratio=0.5)
    problem.solve()
    np.testing.assert_allclose(problem.observe()["strain"][[0, 3]], [1 / E, -0.5 / E], rtol=1e-12)


def test_meshes_and_hypotheses_that_do_not_fit():
    with pytest.raises(ValueError, match="hypothesis: expected one of .*, got 'axisymmetric'"):
        elasticity(box(CellType.triangle, 2), [], hypothesis="axisymmetric")
    with pytest.raises(ValueError, match="hypothesis: expected none, the mesh is 3D, got 'plane stress'"):
        elasticity(box(CellType.tetrahedron, 2), [], hypothesis="plane stress")
    surface = ufl.Mesh(basix.ufl.element("Lagrange", "triangle", 1, shape=(3,)))
    shell = mesh.create_mesh(MPI.COMM_SELF, np.array([[0, 1, 2]]), surface, np.eye(3))
    with pytest.raises(ValueError, match="expected a 2D or 3D mesh of a solid, got one of dimension 2 in 3D"):
        elasticity(shell, [])
