"""Symmetries of the torus: checked against tensors turned index by index."""

import math

import pytest
import torch

from genmech_fem.training import Mirrors, TorusSymmetries
from genmech_fem.training.symmetry import ROLES, representation

TURNS = [torch.tensor(R, dtype=torch.float64) for R in ([[0, -1], [1, 0]], [[-1, 0], [0, 1]], [[0, 1], [1, 0]])]
ANGLE = torch.tensor([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)


def mandel(tensor):
    return torch.stack([tensor[0, 0], tensor[1, 1], math.sqrt(2) * tensor[0, 1]])


def mandel4(tensor):
    s = math.sqrt(2)
    pairs, weights = [(0, 0), (1, 1), (0, 1)], [1.0, 1.0, s]
    return torch.stack(
        [
            torch.stack([a * b * tensor[*p, *q] for q, b in zip(pairs, weights, strict=True)])
            for p, a in zip(pairs, weights, strict=True)
        ]
    )


@pytest.mark.parametrize("R", [*TURNS, ANGLE])
def test_representations_turn_tensors(R):
    generator = torch.Generator().manual_seed(0)
    eps = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    eps = eps + eps.T
    turned = R @ eps @ R.T
    torch.testing.assert_close(representation("mandel_vector", R) @ mandel(eps), mandel(turned))

    C = torch.randn(2, 2, 2, 2, generator=generator, dtype=torch.float64)
    C = C + C.transpose(0, 1)
    C = C + C.transpose(2, 3)
    matrix, turned = mandel4(C), mandel4(torch.einsum("ai,bj,ck,dl,ijkl->abcd", R, R, R, R, C))
    torch.testing.assert_close(representation("mandel_matrix", R) @ matrix.flatten(), turned.flatten())

    C = C + C.permute(2, 3, 0, 1)
    matrix, turned = mandel4(C), mandel4(torch.einsum("ai,bj,ck,dl,ijkl->abcd", R, R, R, R, C))
    upper = tuple(torch.triu_indices(3, 3))
    torch.testing.assert_close(representation("mandel_triangle", R) @ matrix[upper], turned[upper])


@pytest.mark.parametrize("role", list(ROLES))
def test_representations_multiply(role):
    for A in TURNS:
        for B in (*TURNS, ANGLE):
            product = representation(role, A) @ representation(role, B)
            torch.testing.assert_close(product, representation(role, A @ B))


def test_gradient_and_hessian_of_a_periodic_field_move_with_it():
    n = 16
    x = 2 * math.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n
    X, Y = torch.meshgrid(x, x, indexing="ij")

    def derivatives(u):
        spectrum, k = torch.fft.fft2(u), torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
        kx, ky = torch.meshgrid(k, k, indexing="ij")
        gradient = torch.stack([torch.fft.ifft2(1j * q * spectrum).real for q in (kx, ky)], dim=1)
        seconds = [(-kx * kx, 1.0), (-ky * ky, 1.0), (-kx * ky, math.sqrt(2))]
        return gradient, torch.stack([s * torch.fft.ifft2(q * spectrum).real for q, s in seconds], dim=1)

    u = (torch.sin(X) + torch.cos(X + 2 * Y) + 0.5 * torch.sin(3 * Y + 1)).expand(40, n, n)
    gradient, hessian = derivatives(u)
    move = TorusSymmetries({"u": "scalar", "gradient": "vector", "hessian": "mandel_vector", "mean": "scalar"})
    batch = {"u": u[:, None], "gradient": gradient, "hessian": hessian, "mean": u.mean(dim=(1, 2))[:, None]}
    moved = move(batch, torch.Generator().manual_seed(0))
    gradient, hessian = derivatives(moved["u"][:, 0])
    torch.testing.assert_close(moved["gradient"], gradient, atol=1e-12, rtol=0)
    torch.testing.assert_close(moved["hessian"], hessian, atol=1e-12, rtol=0)
    torch.testing.assert_close(moved["mean"], batch["mean"])
    assert len({tuple(sample.flatten().tolist()) for sample in moved["u"]}) > 30


def test_errors_name_what_is_expected():
    generator = torch.Generator()
    with pytest.raises(ValueError, match="roles out of scalar, vector"):
        TorusSymmetries({"x": "spinor"})
    with pytest.raises(ValueError, match=r"expected the tensors \['x'\], got \['y'\]"):
        TorusSymmetries({"x": "scalar"})({"y": torch.zeros(1, 1)}, generator)
    with pytest.raises(ValueError, match=r"'x' is a vector: expected \(batch, 2\)"):
        TorusSymmetries({"x": "vector"})({"x": torch.zeros(1, 3)}, generator)
    with pytest.raises(ValueError, match=r"got \(1, 1, 4, 6\)"):
        TorusSymmetries({"x": "scalar"})({"x": torch.zeros(1, 1, 4, 6)}, generator)


def test_a_tensor_of_several_roles_turns_like_its_parts():
    generator = torch.Generator().manual_seed(0)
    scalar, triangle = torch.rand(16, 1, generator=generator), torch.rand(16, 6, generator=generator)
    both = TorusSymmetries({"c": ("scalar", "mandel_triangle")})
    alone = TorusSymmetries({"c": "mandel_triangle"})
    moved = both({"c": torch.cat([scalar, triangle], dim=1)}, torch.Generator().manual_seed(1))["c"]
    expected = alone({"c": triangle}, torch.Generator().manual_seed(1))["c"]
    torch.testing.assert_close(moved, torch.cat([scalar, expected], dim=1))


def test_mirrors_keep_what_is_exact_for_a_plate_in_tension():
    """The strain of u = (x^2 y, y^3) in a box: the mirrored field is the field of the mirrored displacement."""
    x, y = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-2, 2, 7), indexing="ij")
    strain = torch.stack([2 * x * y, 3 * y**2, x**2 / 2])[None]
    generator = torch.Generator().manual_seed(0)
    many = strain.expand(40, 3, 5, 7)
    found = Mirrors({"strain": "mandel_vector"})({"strain": many}, generator)["strain"]
    # u_x(-x, y) = -(x^2 y): 11 and 12 change their sign on the mirrored grid as written below
    by_x = torch.stack([-2 * x * y, 3 * y**2, -(x**2) / 2])
    by_y = torch.stack([-2 * x * y, 3 * y**2, -(x**2) / 2])
    both = torch.stack([2 * x * y, 3 * y**2, x**2 / 2])
    kinds = [any(torch.allclose(one, kind, atol=1e-6) for kind in (strain[0], by_x, by_y, both)) for one in found]
    assert all(kinds)
    only = Mirrors({"strain": "mandel_vector"}, axes=(1,))
    seen = only({"strain": many}, generator)["strain"]
    assert len(torch.unique(seen.flatten(1), dim=0)) == 2


def test_mirrors_reverse_only_the_axes_they_are_given():
    ramp = torch.arange(6.0).reshape(1, 1, 2, 3).expand(30, 1, 2, 3)
    generator = torch.Generator().manual_seed(0)
    for axes, expected in (((0,), 2), ((1,), 2), ((0, 1), 4)):
        found = Mirrors({"x": "scalar"}, axes)({"x": ramp}, generator)["x"]
        assert len(torch.unique(found.flatten(1), dim=0)) == expected
        assert (found.flatten(1).sort(1).values == torch.arange(6.0)).all()
    with pytest.raises(ValueError, match="axes out of 0 and 1, got"):
        Mirrors({"x": "scalar"}, (2,))
    with pytest.raises(ValueError, match=r"'x' is a vector: expected \(batch, 2\) or \(batch, 2, nx, ny\)"):
        Mirrors({"x": "vector"})({"x": ramp}, generator)
