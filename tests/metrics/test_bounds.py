"""Bounds of effective stiffness: closed forms, laminates that attain them, and homogenised cells."""

import numpy as np
import pytest

from genmech_fem.adapters import EPOXY, GLASS, Material, pixel_homogenization, pixel_stiffness
from genmech_fem.errors import ContractError
from genmech_fem.metrics import (
    check_feasible,
    feasible_fractions,
    hashin_shtrikman,
    isotropic_stiffness,
    symmetric_matrix,
    upper_triangle,
)
from genmech_fem.microstructure import BasicShapes, GaussianRandomField, PeriodicFibres, phase_grid

SOFT, STIFF = (isotropic_stiffness(m.youngs_modulus, m.poisson_ratio) for m in (EPOXY, GLASS))
SOFT3, STIFF3 = (isotropic_stiffness(m.youngs_modulus, m.poisson_ratio, 3) for m in (EPOXY, GLASS))


def moduli(C):
    """Bulk and shear modulus of an isotropic Mandel matrix."""
    d = {3: 2, 6: 3}[len(C)]
    return (C[0, 0] + (d - 1) * C[0, 1]) / d, C[-1, -1] / 2


def laminate(soft, stiff, fraction):
    """Layers normal to x: stresses on the layers and strains in them are common (Backus average), f2 = fraction."""
    n = len(soft)
    d = {3: 2, 6: 3}[n]
    pairs = [(i, i) for i in range(d)] + [(i, j) for i in range(d) for j in range(i + 1, d)]
    out = [k for k, pair in enumerate(pairs) if 0 in pair]
    within = [k for k in range(n) if k not in out]

    def mean(function):
        return (1 - fraction) * function(soft) + fraction * function(stiff)

    def block(C, a, b):
        return C[np.ix_(a, b)]

    def inverse(C):
        return np.linalg.inv(block(C, out, out))

    C = np.empty((n, n))
    nn = np.linalg.inv(mean(inverse))
    mixed = mean(lambda P: inverse(P) @ block(P, out, within))
    schur = mean(lambda P: block(P, within, within) - block(P, within, out) @ inverse(P) @ block(P, out, within))
    C[np.ix_(out, out)], C[np.ix_(out, within)] = nn, nn @ mixed
    C[np.ix_(within, out)], C[np.ix_(within, within)] = (nn @ mixed).T, schur + mixed.T @ nn @ mixed
    return C


def rank_two(soft, stiff, fraction):
    """Laminate of the stiff phase with a laminate, turned by a right angle (2D)."""
    turn = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
    inner = 0.4
    core = turn @ laminate(soft, stiff, inner) @ turn.T
    return laminate(core, stiff, (fraction - inner) / (1 - inner))


def test_isotropic_stiffness_is_that_of_the_solver():
    modulus = np.full((1, 4, 4), 3.5)
    C = pixel_homogenization(4, poisson_ratio=0.35)({"youngs_modulus": modulus})["stiffness"][0]
    np.testing.assert_allclose(symmetric_matrix(C), SOFT, atol=1e-12)
    solid = pixel_homogenization(2, 0.35, dimension=3)({"youngs_modulus": np.full((1, 2, 2, 2), 3.5)})["stiffness"][0]
    np.testing.assert_allclose(symmetric_matrix(solid), SOFT3, atol=1e-12)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_hashin_shtrikman_moduli_in_the_plane(fraction):
    (k1, m1), (k2, m2), f, e = moduli(SOFT), moduli(STIFF), fraction, 1 - fraction
    lower, upper = (moduli(C) for C in hashin_shtrikman(SOFT, STIFF, fraction))
    assert lower[0] == pytest.approx(k1 + f / (1 / (k2 - k1) + e / (k1 + m1)))
    assert lower[1] == pytest.approx(m1 + f / (1 / (m2 - m1) + e * (k1 + 2 * m1) / (2 * m1 * (k1 + m1))))
    assert upper[0] == pytest.approx(k2 + e / (1 / (k1 - k2) + f / (k2 + m2)))
    assert upper[1] == pytest.approx(m2 + e / (1 / (m1 - m2) + f * (k2 + 2 * m2) / (2 * m2 * (k2 + m2))))


@pytest.mark.parametrize("fraction", [0.2, 0.7])
def test_hashin_shtrikman_moduli_in_space(fraction):
    (k1, m1), (k2, m2), f, e = moduli(SOFT3), moduli(STIFF3), fraction, 1 - fraction
    lower, upper = (moduli(C) for C in hashin_shtrikman(SOFT3, STIFF3, fraction))
    assert lower[0] == pytest.approx(k1 + f / (1 / (k2 - k1) + 3 * e / (3 * k1 + 4 * m1)))
    assert lower[1] == pytest.approx(m1 + f / (1 / (m2 - m1) + 6 * e * (k1 + 2 * m1) / (5 * m1 * (3 * k1 + 4 * m1))))
    assert upper[0] == pytest.approx(k2 + e / (1 / (k1 - k2) + 3 * f / (3 * k2 + 4 * m2)))
    assert upper[1] == pytest.approx(m2 + e / (1 / (m1 - m2) + 6 * f * (k2 + 2 * m2) / (5 * m2 * (3 * k2 + 4 * m2))))


@pytest.mark.parametrize(("soft", "stiff"), [(SOFT, STIFF), (SOFT3, STIFF3)])
def test_isotropic_stiffness_on_a_bound_leaves_the_fractions_of_that_bound(soft, stiff):
    lower, upper = hashin_shtrikman(soft, stiff, 0.37)
    assert feasible_fractions(upper_triangle(lower), soft, stiff)[1] == pytest.approx(0.37, abs=1e-5)
    assert feasible_fractions(upper_triangle(upper), soft, stiff)[0] == pytest.approx(0.37, abs=1e-5)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("make", "soft", "stiff"), [(laminate, SOFT, STIFF), (laminate, SOFT3, STIFF3), (rank_two, SOFT, STIFF)]
)
def test_laminates_leave_only_their_own_fraction(make, soft, stiff, fraction):
    if make is rank_two:
        fraction = 0.4 + 0.6 * fraction
    least, most = check_feasible(upper_triangle(make(soft, stiff, fraction)), soft, stiff)
    assert least <= fraction <= most
    if make is laminate:  # it attains the bounds of both sides
        assert most - least < 1e-3


def test_the_laminate_is_that_of_the_solver():
    stripes = np.zeros((1, 8, 8))
    stripes[:, :3] = 1
    C = pixel_stiffness(8)({"phase": stripes})["stiffness"][0]
    np.testing.assert_allclose(symmetric_matrix(C), laminate(SOFT, STIFF, 3 / 8), atol=1e-10)


def cells():
    generator = np.random.default_rng(0)
    samplers = [
        GaussianRandomField(32, (0.05, 0.2)),
        PeriodicFibres(32),
        BasicShapes(32),
        GaussianRandomField(32, (0.05, 0.1), (0.03, 0.06)),
    ]
    drawn = np.concatenate([sampler(generator)["phase"] for sampler in samplers for _ in range(3)])
    x, y = phase_grid(32).points().T.reshape(2, 32, 32) - 0.5
    disc, board = x**2 + y**2 < 0.4**2, (x * y > 0)
    return np.concatenate([drawn, 1 - drawn, [disc, ~disc, board, x < y]]).astype(float)


def test_homogenised_cells_are_feasible_at_their_own_fraction():
    phases = np.kron(cells(), np.ones((1, 2, 2)))  # one element a pixel is too stiff by more than what is left
    solved = pixel_stiffness(64)({"phase": phases})["stiffness"]
    widths = []
    for phase, C in zip(phases, solved, strict=True):
        least, most = check_feasible(C, SOFT, STIFF)
        assert least <= (phase > 0.5).mean() <= most
        widths.append(most - least)
    assert np.median(widths) < 0.2  # far from telling nothing


def test_voxels_are_feasible_at_their_own_fraction():
    phase = GaussianRandomField(8, (0.1, 0.2), dimension=3)(np.random.default_rng(1))["phase"]
    C = pixel_stiffness(8, dimension=3)({"phase": phase})["stiffness"][0]
    least, most = check_feasible(C, SOFT3, STIFF3)
    assert least <= (phase > 0.5).mean() <= most


def test_the_pure_phases_leave_nothing_of_the_other():
    assert feasible_fractions(upper_triangle(SOFT), SOFT, STIFF) == pytest.approx((0, 0), abs=1e-5)
    assert feasible_fractions(upper_triangle(STIFF), SOFT, STIFF) == pytest.approx((1, 1), abs=1e-4)
    assert feasible_fractions(upper_triangle(SOFT), SOFT, SOFT) == (0, 1)


def test_fractions_of_the_means_by_brute_force():
    """Phases of opposite order in bulk and shear: of all bounds only the means hold, and here by their definition."""
    soft, stiff = isotropic_stiffness(1.0, 0.45), isotropic_stiffness(1.3, -0.2)
    target = laminate(soft, stiff, 0.35)
    assert np.linalg.eigvalsh(stiff - soft)[0] < 0

    def allowed(f):
        voigt = (1 - f) * soft + f * stiff
        reuss = np.linalg.inv((1 - f) * np.linalg.inv(soft) + f * np.linalg.inv(stiff))
        return min(np.linalg.eigvalsh(voigt - target)[0], np.linalg.eigvalsh(target - reuss)[0]) >= 0

    scan = np.array([f for f in np.linspace(0, 1, 2001) if allowed(f)])
    found = feasible_fractions(upper_triangle(target), soft, stiff, tolerance=1e-9)
    assert found == pytest.approx((scan[0], scan[-1]), abs=6e-4)
    with pytest.raises(ContractError, match="one stiffer than the other in bulk and shear"):
        hashin_shtrikman(soft, stiff, 0.5)


def test_what_lies_beyond_the_phases_is_refused_with_its_excess():
    for C, bound, excess in ((1.3 * STIFF, "Voigt", "30.*%"), (SOFT / 1.2, "Reuss", "20.*%")):
        assert feasible_fractions(upper_triangle(C), SOFT, STIFF) is None
        with pytest.raises(ContractError, match=f"the {bound} bound cannot be met at any.*bounds by {excess}"):
            check_feasible(upper_triangle(C), SOFT, STIFF)
    for C in (1.3 * STIFF, SOFT / 1.2):
        assert feasible_fractions(upper_triangle(C), SOFT, STIFF, tolerance=0.31) is not None


def test_a_bulk_and_a_shear_modulus_that_do_not_go_together_are_refused():
    """The bulk modulus of the lower bound at f = 0.2 with the shear modulus of the upper one at 0.8."""
    low, high = hashin_shtrikman(SOFT, STIFF, 0.2)[0], hashin_shtrikman(SOFT, STIFF, 0.8)[1]
    hydrostatic = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]]) / 2
    mixed = low @ hydrostatic + high @ (np.eye(3) - hydrostatic)
    message = (
        "the upper deviatoric Hashin-Shtrikman bound asks for at least 0.8000, "
        "the lower hydrostatic Hashin-Shtrikman bound for at most 0.2000"
    )
    with pytest.raises(ContractError, match=message):
        check_feasible(upper_triangle(mixed), SOFT, STIFF)


def test_wrong_shear_entries_of_a_cell_are_found():
    phase = GaussianRandomField(32, (0.05, 0.1), (0.5, 0.5))(np.random.default_rng(2))["phase"]
    C = pixel_stiffness(32)({"phase": phase})["stiffness"][0]
    removed, raised, coupled = C.copy(), C.copy(), C.copy()
    removed[5], raised[5], coupled[1] = 0.0, 4 * C[5], 1.5 * C[0]
    for wrong, message in (
        (removed, "positive definite"),  # no shear stiffness at all
        (raised, "asks for at least"),  # more than bulk and Young's moduli allow
        (coupled, "positive definite"),  # C12 above C11
    ):
        with pytest.raises(ContractError, match=message):
            check_feasible(wrong, SOFT, STIFF)


def test_nearly_empty_phases_leave_room():
    void = isotropic_stiffness(1e-9, 0.3)
    phase = GaussianRandomField(16, (0.1, 0.2), (0.6, 0.6))(np.random.default_rng(3))["phase"]
    C = pixel_stiffness(16, Material(1e-9, 0.3), GLASS)({"phase": phase})["stiffness"][0]
    least, most = check_feasible(C, void, STIFF, tolerance=1e-5)
    assert least <= (phase > 0.5).mean() <= most


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: isotropic_stiffness(1.0, 0.5), "a Poisson's ratio in"),
        (lambda: isotropic_stiffness(1.0, 0.3, 4), "2 or 3 dimensions, got 1.0, 0.3 and 4"),
        (lambda: hashin_shtrikman(SOFT, STIFF, 1.2), "volume fraction from 0 to 1, got 1.2"),
        (lambda: feasible_fractions(upper_triangle(SOFT), SOFT, STIFF, tolerance=-1.0), "not negative, got -1.0"),
        (lambda: feasible_fractions(np.ones(6), SOFT, STIFF3), "stiff: expected two Mandel matrices"),
        (
            lambda: feasible_fractions(np.ones(21), SOFT, STIFF),
            r"upper triangle of a matrix \(3, 3\), got one of \(6, 6",
        ),
        (lambda: feasible_fractions(upper_triangle(SOFT), STIFF, SOFT), "swap soft and stiff"),
        (lambda: feasible_fractions(upper_triangle(SOFT), 0 * SOFT, STIFF), "soft: expected a symmetric positive def"),
        (lambda: feasible_fractions(np.full(6, np.nan), SOFT, STIFF), "target: expected a positive definite"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
