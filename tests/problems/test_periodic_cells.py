"""Thermal and elastic cells in 2D and 3D: laminates, bounds, the Fourier solver, fields and sensitivities."""

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, as_vector, dolfinx_mesh, phase_values
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import check_vjp
from genmech_fem.geometry import periodic_mesh
from genmech_fem.metrics import relative_frobenius, symmetric_matrix
from genmech_fem.problems import Fourier, SolverOptions, linear, periodic_conduction, periodic_elasticity
from genmech_fem.problems.homogenization import mandel_basis

CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]
VOXELS = {2: "quadrilateral", 3: "hexahedron"}


def box(dimension, cell, n, sizes=None):
    corners = [np.zeros(dimension), np.ones(dimension) if sizes is None else np.array(sizes)]
    create = mesh.create_rectangle if dimension == 2 else mesh.create_box
    shape = (n,) * dimension if np.isscalar(n) else n
    return create(MPI.COMM_SELF, corners, shape, mesh.CellType[cell])


def midpoints(problem):
    domain = problem.state.function_space.mesh
    cells = np.arange(domain.topology.index_map(domain.topology.dim).size_local)
    return mesh.compute_midpoints(domain, domain.topology.dim, cells)[:, : problem.dimension]


def blobs(problem, seed=0, share=0.3):
    """Cells of a smooth random phase of the given share."""
    generator, x = np.random.default_rng(seed), midpoints(problem)
    waves, phases = generator.integers(-2, 3, (12, problem.dimension)), generator.uniform(0, 2 * np.pi, 12)
    field = np.cos(2 * np.pi * x @ waves.T + phases).sum(axis=1)
    return field > np.quantile(field, 1 - share)


def inclusion(problem):
    """One square or cube in the middle: a cell of cubic symmetry."""
    return (np.abs(midpoints(problem) - 0.5) < 0.3).all(axis=1)


def set_phases(problem, inside, **values):
    problem.set_controls({name: np.where(inside, pair[1], pair[0]) for name, pair in values.items()})
    problem.solve()
    return symmetric_matrix(problem.observe()[problem.physics.effective])


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 2])
def test_a_conducting_laminate_is_exact(dimension, cell, degree):
    problem = periodic_conduction(box(dimension, cell, 4), degree=degree)
    K = set_phases(problem, midpoints(problem)[:, 0] < 0.5, conductivity=(1.0, 9.0))
    exact = np.diag([1.8] + [5.0] * (dimension - 1))
    np.testing.assert_allclose(K, exact, atol=1e-11)


def test_an_anisotropic_laminate_is_exact():
    """Layers along x: the normal flux and the tangential gradient are constant."""
    problem = periodic_conduction(box(2, "triangle", 4), anisotropic=True)
    tensors = np.array([[[2.0, 0.5], [0.5, 1.0]], [[7.0, -1.0], [-1.0, 3.0]]])
    phase = (midpoints(problem)[:, 0] < 0.5).astype(int)
    rows, columns = np.tril_indices(2)
    problem.set_controls({"conductivity": tensors[phase][:, rows, columns].ravel()})
    problem.solve()
    normal = 1 / np.mean(1 / tensors[:, 0, 0])
    mixed = normal * np.mean(tensors[:, 0, 1] / tensors[:, 0, 0])
    tangent = np.mean(tensors[:, 1, 1] - tensors[:, 0, 1] ** 2 / tensors[:, 0, 0]) + mixed**2 / normal
    np.testing.assert_allclose(problem.observe()["conductivity"], [normal, mixed, tangent], rtol=1e-12)
    problem.controls["conductivity"].x.array[1] = 50.0
    with pytest.raises(ValueError, match=r"conductivity: expected eigenvalues in \(0, inf\), got -"):
        problem.solve()


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("contrast", [5.0, 50.0])
def test_conductivities_lie_between_the_hashin_shtrikman_bounds(dimension, contrast):
    """Hashin and Shtrikman (1962), doi:10.1063/1.1728579; the cell has cubic symmetry, so K* is isotropic."""
    problem = periodic_conduction(box(dimension, VOXELS[dimension], 10))
    inside = inclusion(problem)
    K = set_phases(problem, inside, conductivity=(1.0, contrast))
    np.testing.assert_allclose(K, K[0, 0] * np.eye(dimension), atol=1e-6)
    f = inside.mean()
    lower = 1 + f / (1 / (contrast - 1) + (1 - f) / dimension)
    upper = contrast + (1 - f) / (1 / (1 - contrast) + f / (dimension * contrast))
    assert lower < K[0, 0] < upper
    assert K[0, 0] < lower + 0.2 * (upper - lower)  # a stiff phase in a matrix is near the lower bound


@pytest.mark.parametrize("dimension", [2, 3])
def test_bulk_moduli_lie_between_the_hashin_shtrikman_bounds(dimension):
    """Hashin and Shtrikman (1963), doi:10.1016/0022-5096(63)90060-7; in 2D the bulk modulus of plane strain."""
    problem = periodic_elasticity(box(dimension, VOXELS[dimension], 10))
    inside = inclusion(problem)
    C = set_phases(problem, inside, youngs_modulus=(3.5, 70.0), poisson_ratio=(0.35, 0.22))
    E, nu, f = np.array([3.5, 70.0]), np.array([0.35, 0.22]), inside.mean()
    mu, lmbda = E / (2 * (1 + nu)), E * nu / ((1 + nu) * (1 - 2 * nu))
    kappa = lmbda + 2 * mu / dimension
    stiffness = 2 * (dimension - 1) / dimension * mu
    lower = kappa[0] + f / (1 / (kappa[1] - kappa[0]) + (1 - f) / (kappa[0] + stiffness[0]))
    upper = kappa[1] + (1 - f) / (1 / (kappa[0] - kappa[1]) + f / (kappa[1] + stiffness[1]))
    trace = np.einsum("kii->k", mandel_basis(dimension))
    bulk = trace @ C @ trace / dimension**2
    assert lower < bulk < upper
    assert bulk < lower + 0.2 * (upper - lower)


def test_plane_stress_is_softer_and_exact_for_a_homogeneous_cell():
    problem = periodic_elasticity(box(2, "triangle", 3), hypothesis="plane stress")
    C = set_phases(problem, np.full(18, False), youngs_modulus=(8.0, 8.0), poisson_ratio=(0.25, 0.25))
    np.testing.assert_allclose(C, 8 / (1 - 0.25**2) * np.array([[1, 0.25, 0], [0.25, 1, 0], [0, 0, 0.75]]), atol=1e-12)
    with pytest.raises(ValueError, match="hypothesis: expected none, the mesh is 3D"):
        periodic_elasticity(box(3, "hexahedron", 2), hypothesis="plane stress")


@pytest.mark.parametrize("make", [periodic_elasticity, periodic_conduction])
@pytest.mark.parametrize(("shape", "sizes"), [((9, 7), (1.0, 0.5)), ((6, 5, 4), (1.0, 2.0, 0.5))])
@pytest.mark.parametrize("contrast", [20.0, 1e4])
def test_the_fourier_solver_gives_the_direct_solution(make, shape, sizes, contrast):
    """Also for the adjoint, and on grids of unequal, odd sides."""
    found = {}
    for method in ("assembled", Fourier(tolerance=1e-10)):
        domain = box(len(shape), VOXELS[len(shape)], shape, sizes)
        problem = make(domain, method=method)
        first = problem.physics.moduli[0].name
        set_phases(problem, blobs(problem), **{first: (1.0, contrast)})
        observed = problem.observe()
        weights = {name: np.cos(np.arange(a.size)) for name, a in observed.items()}
        found[str(method)] = observed, problem.pull_back(weights)[first]
        assert problem.residual_norm(observed["state"]) < 1e-8
    (direct, gradient), (fourier, other) = found.values()
    for name, array in direct.items():
        np.testing.assert_allclose(fourier[name], array, atol=1e-7 * np.abs(array).max())
    np.testing.assert_allclose(other, gradient, atol=1e-5 * np.abs(gradient).max())


def test_voxels_in_3d_take_the_fourier_solver():
    problem = periodic_elasticity(box(3, "hexahedron", 8))
    direct = periodic_elasticity(box(3, "hexahedron", 8), method="assembled")
    assert problem._fourier == Fourier()
    assert direct._fourier is None
    phases = {"youngs_modulus": (3.5, 70.0), "poisson_ratio": (0.35, 0.22)}
    C, exact = (set_phases(p, blobs(p), **phases) for p in (problem, direct))
    np.testing.assert_allclose(C, exact, atol=1e-9 * exact.max())
    assert (
        periodic_elasticity(box(3, "hexahedron", 8), solver=SolverOptions(petsc_options={"pc_type": "lu"}))._fourier
        is None
    )


def test_the_fourier_solver_refuses_other_meshes_and_says_when_it_fails():
    moved = box(2, "quadrilateral", 4)
    moved.geometry.x[12, 0] += 0.02
    for domain in (box(2, "triangle", 4), moved):
        with pytest.raises(ValueError, match="expected a regular grid of Q1 cells; take method='assembled'"):
            periodic_conduction(domain, method=Fourier())
    problem = periodic_elasticity(box(3, "hexahedron", 6), method=Fourier(iterations=3))
    with pytest.raises(ConvergenceError, match=r"left a relative residual of .* after 3 iterations: take more"):
        set_phases(problem, blobs(problem), youngs_modulus=(1.0, 100.0))
    set_phases(problem, np.full(216, False), youngs_modulus=(2.0, 2.0))  # the next sample is solved
    with pytest.raises(ValueError, match="method: expected 'auto', 'assembled' or Fourier"):
        periodic_conduction(box(2, "triangle", 4), method="fourier")
    with pytest.raises(ValueError, match="expected 0 < tolerance < 1"):
        Fourier(tolerance=0.0)


@pytest.mark.parametrize("make", [periodic_elasticity, periodic_conduction])
def test_multigrid_for_large_cells_of_tetrahedra(make, monkeypatch):
    direct = make(box(3, "tetrahedron", 6))
    first = direct.physics.moduli[0].name
    exact = set_phases(direct, blobs(direct), **{first: (1.0, 20.0)})
    monkeypatch.setattr(linear, "DIRECT_3D", 0)
    iterative = make(box(3, "tetrahedron", 6))
    found = set_phases(iterative, blobs(iterative), **{first: (1.0, 20.0)})
    assert iterative._system[1]._engine.name == "PETSc cg + gamg"
    np.testing.assert_allclose(found, exact, atol=1e-9 * exact.max())


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("make", [periodic_elasticity, periodic_conduction])
def test_taylor(taylor_order, generator, dimension, cell, make):
    problem = make(box(dimension, cell, 3))
    set_phases(problem, blobs(problem), **{problem.physics.moduli[0].name: (2.0, 20.0)})
    cotangents = {name: generator.standard_normal(a.shape) for name, a in problem.observe().items()}
    for modulus in problem.physics.moduli:
        steps = (4e-3, 2e-3, 1e-3) if modulus.name == "poisson_ratio" else (4e-2, 2e-2, 1e-2)
        order = taylor_order(problem, cotangents, generator, [modulus.name], steps)
        assert order == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("make", [periodic_elasticity, periodic_conduction])
def test_fields_and_sensitivities(make):
    """Means of the fields, Hill's lemma, and Euler's theorem: C* is homogeneous of degree one in the moduli."""
    problem = make(box(2, "triangle", 6))
    first = problem.physics.moduli[0].name
    C = set_phases(problem, blobs(problem), **{first: (2.0, 20.0)})
    e, s = (problem.fields()[name] for name in problem.physics.fields)
    assert e.shape == (problem.loads, problem.loads, 72)
    np.testing.assert_allclose(e.mean(axis=-1), np.eye(problem.loads), atol=1e-12)
    np.testing.assert_allclose(s.mean(axis=-1), C, atol=1e-11)
    np.testing.assert_allclose(np.einsum("kmc,lmc->kl", s, e) / 72, C, atol=1e-11)  # P1 fields are constant in a cell
    sensitivity = problem.sensitivities()[first]
    euler = symmetric_matrix(sensitivity @ problem.controls[first].x.array)
    weights = np.full(C.shape, 1.0)
    np.testing.assert_allclose(euler * weights, C, atol=1e-10)
    E, step = problem.controls[first].x.array, 1e-4
    before = problem.observe()[problem.physics.effective]
    E[7] += step
    problem.solve()
    np.testing.assert_allclose(
        (problem.observe()[problem.physics.effective] - before) / step, sensitivity[:, 7], rtol=1e-3, atol=1e-6
    )


def test_gradients_with_respect_to_the_moduli_of_phases():
    """A conforming mesh, one modulus and one Poisson's ratio a phase."""
    wave = np.sin(2 * np.pi * (np.arange(16) + 0.5) / 16)
    domain, tags = dolfinx_mesh(periodic_mesh(0.5 + 0.4 * wave[:, None] * wave))
    problem = periodic_elasticity(domain)
    E, nu = ScalarSpec("E", 2, "GPa"), ScalarSpec("nu", 2, "1")
    inputs = (phase_values(tags, E, "youngs_modulus"), phase_values(tags, nu, "poisson_ratio"))
    model = ProblemModel(problem, inputs, (as_vector(ScalarSpec("stiffness", 6, "GPa"), "stiffness"),))
    moduli = {"E": np.array([[3.5, 70.0]]), "nu": np.array([[0.35, 0.22]])}
    assert check_vjp(model, moduli, np.random.default_rng(0)) == pytest.approx(2, abs=0.1)
    cotangent = np.array([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    gradient = model.vjp(moduli, {"stiffness": cotangent})["E"]
    assert (gradient * moduli["E"]).sum() == pytest.approx(model(moduli)["stiffness"][0, 0], rel=1e-10)
    with pytest.raises(ContractError, match="phase_values: expected tags from 0 to 0, got 0 to 1"):
        phase_values(tags, ScalarSpec("E", 1, "GPa"), "youngs_modulus")


def test_conforming_meshes_beat_pixels():
    """Discs of contrast 100: at about equal dofs the conforming mesh is nearer to the fine answer."""

    def field(n):
        x = (np.arange(n) + 0.5) / n
        return 0.5 + 2 * (0.3 - np.hypot(*np.meshgrid(x - 0.5, x - 0.5, indexing="ij")))

    def conforming(n):
        domain, tags = dolfinx_mesh(periodic_mesh(field(n)))
        problem = periodic_conduction(domain)
        problem.set_controls({"conductivity": np.where(tags == 1, 100.0, 1.0)})
        problem.solve()
        return problem.observe()["conductivity"], problem.state.x.array.size

    def pixels(n):
        problem = periodic_conduction(box(2, "quadrilateral", n))
        inside = np.hypot(*(midpoints(problem) - 0.5).T) < 0.3
        problem.set_controls({"conductivity": np.where(inside, 100.0, 1.0)})
        problem.solve()
        return problem.observe()["conductivity"], problem.state.x.array.size

    reference = conforming(128)[0]
    (fitted, dofs), (stairs, more) = conforming(24), pixels(28)
    assert dofs < 1.1 * more
    assert relative_frobenius(fitted, reference) < 0.5 * relative_frobenius(stairs, reference)


def test_restore_and_stale_controls():
    problem = periodic_conduction(box(2, "triangle", 4))
    set_phases(problem, blobs(problem), conductivity=(1.0, 9.0))
    observed = problem.observe()
    weights = {name: np.ones(a.shape) for name, a in observed.items()}
    gradient, moduli = problem.pull_back(weights)["conductivity"], problem.controls["conductivity"].x.array.copy()
    set_phases(problem, blobs(problem, seed=1), conductivity=(2.0, 3.0))
    problem.set_controls({"conductivity": moduli})
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back(weights)
    problem.restore(observed["state"])
    np.testing.assert_allclose(problem.pull_back(weights)["conductivity"], gradient, rtol=1e-10)
    with pytest.raises(ContractError, match=r"observe: expected names among .* got \['stress'\]"):
        problem.observe(["stress"])
    with pytest.raises(ContractError, match="cotangent 'stiffness': expected one of"):
        problem.pull_back({"stiffness": np.ones(3)})
    with pytest.raises(ContractError, match="state: expected the dofs"):
        problem.restore(np.ones(3))
