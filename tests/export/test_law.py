"""Constitutive laws as files: closed forms, and torch in double precision."""

import numpy as np
import pytest
import torch
from torch import nn

from genmech_fem.errors import ContractError
from genmech_fem.export import law_to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime import Domain, OnnxLaw, OnnxModel, Passport

STRAIN, STRESS = ScalarSpec("strain", 3), ScalarSpec("stress", 3, "MPa")
F, P = ScalarSpec("F", 4), ScalarSpec("P", 4, "MPa")
MU, LAMBDA = 0.8, 1.2


def strains(points, size=3, scale=0.02):
    return scale * np.random.default_rng(0).standard_normal((points, size))


def gradients(points):
    return np.array([1.0, 0, 0, 1]) + strains(points, 4, 0.1)


def test_linear_elasticity_is_its_stiffness_at_any_number_of_points(tmp_path):
    C = np.array([[3.0, 1.0, 0.2], [1.0, 3.0, 0.1], [0.2, 0.1, 2.0]])
    law_to_onnx(
        lambda e: e @ torch.tensor(C), tmp_path / "e.onnx", {"strain": strains(3)}, strain=STRAIN, stress=STRESS
    )
    law = OnnxLaw(tmp_path / "e.onnx", batch=100)
    asked = strains(250)
    stress, tangent = law(asked)
    np.testing.assert_allclose(stress, asked @ C, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(tangent, np.broadcast_to(C.T, (250, 3, 3)), rtol=1e-14)
    assert OnnxModel(tmp_path / "e.onnx").metadata["precision"] == "float64"


def neo_hookean(F):
    """Plane-strain energy of F = (F11, F12, F21, F22)."""
    J = F[:, 0] * F[:, 3] - F[:, 1] * F[:, 2]
    return MU / 2 * ((F * F).sum(1) + 1 - 3 - 2 * J.log()) + LAMBDA / 2 * J.log() ** 2


def test_a_neo_hookean_energy_gives_the_closed_stress_and_tangent(tmp_path):
    passport = Passport(domain={"F": Domain.of(gradients(50), F)}, seeds=(7,))
    report = law_to_onnx(
        neo_hookean, tmp_path / "n.onnx", {"F": gradients(3)}, strain=F, stress=P, energy=True, passport=passport
    )
    assert report.worst <= 1e-12
    opened = OnnxLaw(tmp_path / "n.onnx")
    assert (opened.strain, opened.stress, opened.model.passport) == (F, P, passport)
    asked = gradients(200)
    stress, tangent = OnnxLaw(tmp_path / "n.onnx")(asked)
    J = asked[:, 0] * asked[:, 3] - asked[:, 1] * asked[:, 2]
    cofactor = asked[:, [3, 2, 1, 0]] * np.array([1, -1, -1, 1])
    inverse = cofactor / J[:, None]
    closed = MU * (asked - inverse) + LAMBDA * np.log(J)[:, None] * inverse
    np.testing.assert_allclose(stress, closed, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(tangent, np.swapaxes(tangent, 1, 2), atol=1e-12)
    law, h = OnnxLaw(tmp_path / "n.onnx"), 1e-6
    slopes = [(law(asked + h * e)[0] - law(asked - h * e)[0]) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(tangent, np.stack(slopes, axis=2), atol=1e-8)


class Network(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), activation, nn.Linear(16, 1))

    def forward(self, strain):
        return self.layers(strain)


def test_a_network_of_an_energy_has_a_symmetric_tangent_in_either_precision(tmp_path):
    torch.manual_seed(0)
    asked = {"strain": strains(5, scale=0.5)}
    for activation, double, tolerance in ((nn.SiLU(), True, 1e-12), (nn.Tanh(), False, 1e-4)):
        path = tmp_path / f"{double}.onnx"
        report = law_to_onnx(Network(activation), path, asked, strain=STRAIN, stress=STRESS, energy=True, double=double)
        assert report.tolerance == tolerance
        tangent = OnnxLaw(path)(asked["strain"])[1]
        np.testing.assert_allclose(tangent, np.swapaxes(tangent, 1, 2), atol=tolerance * np.abs(tangent).max())
        assert np.abs(tangent).max() > 0


def test_an_operator_that_runs_in_float32_alone_is_named_with_its_type(tmp_path):
    asked = {"strain": strains(3)}
    arguments = {"strain": STRAIN, "stress": STRESS, "energy": True}
    with pytest.raises(ContractError, match="no operator Erf for double"):
        law_to_onnx(Network(nn.GELU()), tmp_path / "s.onnx", asked, **arguments)
    assert list(tmp_path.iterdir()) == []
    law_to_onnx(Network(nn.GELU()), tmp_path / "s.onnx", asked, double=False, **arguments)
    assert np.isfinite(OnnxLaw(tmp_path / "s.onnx")(asked["strain"])[1]).all()


def test_laws_that_do_not_fit_are_refused(tmp_path, onnx_file):
    with pytest.raises(ContractError, match="at least 3 samples to compare on, got 2"):
        law_to_onnx(lambda e: e, tmp_path / "x.onnx", {"strain": strains(2)}, strain=STRAIN, stress=STRESS)
    with pytest.raises(ContractError, match="as many stresses, not 4"):
        law_to_onnx(neo_hookean, tmp_path / "x.onnx", {"strain": strains(3)}, strain=STRAIN, stress=P, energy=True)
    with pytest.raises(ContractError, match="holds no constitutive law"):
        OnnxLaw(onnx_file)
    path = tmp_path / "e.onnx"
    law_to_onnx(lambda e: 2 * e, path, {"strain": strains(3)}, strain=STRAIN, stress=STRESS)
    with pytest.raises(ContractError, match=r"expected shape \(batch, 3\)"):
        OnnxLaw(path)(strains(3, 4))
