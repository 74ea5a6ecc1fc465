r"""Energies that are convex in the strain by construction, as torch networks.

Input-convex networks: Amos, Xu, Kolter (2017), doi:10.48550/arXiv.1609.07152. With non-negative weights W and convex,
rising activations s,

.. math:: z_1 = s(A_0 x + b_0), \quad z_{i+1} = s(W_i z_i + A_i x + b_i), \quad \psi = w \cdot z + \tfrac{1}{2} |R x|^2

is convex in the strain x. The activation is the squareplus of Barron (2021), doi:10.48550/arXiv.2112.11687, smooth as
Newton's method wants it, and of operators that ONNX Runtime has in double precision.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError, ConvergenceError


class ConvexEnergy(nn.Module):
    """Energy of strains (points, size), convex, with zero stress at zero strain once it is trained.

    Args:
        size: Number of strains.
        generator: Of the first weights.
        width: Units of each layer.
        depth: Layers.
        even: Whether the energy of a strain and of its opposite are equal, as where every phase has such an energy.
    """

    strain_scale: Tensor
    stress_scale: Tensor
    at_rest: Tensor

    def __init__(
        self, size: int, *, generator: torch.Generator, width: int = 48, depth: int = 2, even: bool = True
    ) -> None:
        super().__init__()

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        layers = range(depth)
        self.even = even
        self.passed = nn.ParameterList([nn.Parameter(2.5 * normal(size, width)) for _ in layers])
        self.biases = nn.ParameterList([nn.Parameter(2.5 * normal(width)) for _ in layers])
        outputs = [width] * (depth - 1) + [1]
        self.logs = nn.ParameterList([nn.Parameter(0.5 * normal(width, n) - np.log(width)) for n in outputs])
        self.root = nn.Parameter(0.3 * torch.eye(size, dtype=torch.float64))
        self.register_buffer("strain_scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("stress_scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("at_rest", torch.zeros(size, dtype=torch.float64))

    def forward(self, strain: Tensor) -> Tensor:
        """Energies (points,), up to a constant."""
        x = strain / self.strain_scale
        energy = self._network(x) + (self._network(-x) if self.even else 0.0)
        energy = energy + 0.5 * (x @ self.root).square().sum(1) - x @ self.at_rest
        return self.stress_scale * self.strain_scale * energy

    def stress(self, strain: Tensor) -> Tensor:
        """Stresses (points, size), differentiable by the weights."""
        strain = strain.detach().requires_grad_()
        (stress,) = torch.autograd.grad(self(strain).sum(), strain, create_graph=True)
        return stress

    def _network(self, x: Tensor) -> Tensor:
        z = _squareplus(x @ self.passed[0] + self.biases[0])
        for passed, bias, log in zip(self.passed[1:], self.biases[1:], self.logs[:-1], strict=True):
            z = _squareplus(z @ log.exp() + x @ passed + bias)
        return (z @ self.logs[-1].exp())[:, 0]


def _squareplus(x: Tensor) -> Tensor:
    return 0.5 * (x + (x.square() + 1.0).sqrt())


def fit_energy(
    model: ConvexEnergy, strains: np.ndarray, stresses: np.ndarray, *, iterations: int = 1500
) -> Iterator[float]:
    """Train on stresses by L-BFGS with all samples at once, in double precision; ends with zero stress at zero strain.

    Args:
        model: What to train, in place.
        strains: Strains (samples, size).
        stresses: Stresses (samples, size) of the law.
        iterations: Most steps.

    Yields:
        The error of the stresses after each tenth of the steps, relative to their norm.

    Raises:
        ContractError: The arrays do not fit the model, or are not finite.
        ConvergenceError: The error is not finite.
    """
    x, y = _checked(model, strains, stresses)
    model.strain_scale.fill_(x.abs().max())
    model.stress_scale.fill_(y.square().mean().sqrt())
    zero = torch.zeros_like(x[:1])
    optimizer = torch.optim.LBFGS(
        model.parameters(),
        max_iter=max(1, iterations // 10),
        history_size=50,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def error() -> Tensor:
        found = model.stress(x)
        return (found - model.stress(zero) - y).square().sum() / y.square().sum()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = error()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(10):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        reached = float(error().detach().sqrt())
        if not np.isfinite(reached):
            raise ConvergenceError(f"fit_energy: the error is {reached}: check the strains and stresses for outliers")
        yield reached
    model.at_rest += model.stress(zero)[0].detach() / model.stress_scale


def _checked(model: ConvexEnergy, strains: np.ndarray, stresses: np.ndarray) -> tuple[Tensor, Tensor]:
    size = len(model.root)
    if strains.ndim != 2 or strains.shape[1] != size or stresses.shape != strains.shape or not len(strains):
        raise ContractError(
            f"fit_energy: expected strains and stresses (samples, {size}), got {strains.shape} and {stresses.shape}"
        )
    if not (np.isfinite(strains).all() and np.isfinite(stresses).all() and np.any(strains) and np.any(stresses)):
        raise ContractError("fit_energy: expected finite strains and stresses that are not all zero")
    return torch.as_tensor(strains, dtype=torch.float64), torch.as_tensor(stresses, dtype=torch.float64)
