"""Bayesian optimisation with Gaussian processes, of the package botorch: Balandat et al. (2020).

doi:10.48550/arXiv.1910.06403; the logarithm of the expected improvement: Ament et al. (2023),
doi:10.48550/arXiv.2310.20708.
"""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from genmech_fem.design.search import Search, Space
from genmech_fem.errors import require

_NOISE = 1e-5
"""Variance of the noise over that of the answers: models repeat themselves, and an estimated noise hides optima."""


@dataclass(frozen=True)
class Bayesian:
    """Bayesian optimisation: for dear models, up to some twenty variables within finite bounds, with constraints.

    It ends when the loop ends it. A proposal costs seconds and more with each answer, which a resumed loop spends
    again.

    Args:
        seed: Seed of the proposals.
        initial: Designs besides the starts that are spread over the bounds at first; None takes twice the variables.
        batch: Designs proposed at a time.

    Raises:
        ValueError: A number is too small.
    """

    gradients: ClassVar[bool] = False
    seed: int = 0
    initial: int | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.initial is not None and self.initial < 1):
            raise ValueError(f"Bayesian: expected initial and batch of at least 1, got {self.initial} and {self.batch}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`.

        Raises:
            MissingExtraError: The package botorch is not installed.
        """
        require("botorch", "bayesian")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch, for its use by linear_operator
            import botorch  # noqa: F401
        from torch.quasirandom import SobolEngine

        space.check("Bayesian")
        lower, upper = space.box("Bayesian")
        span = np.where(upper > lower, upper - lower, 1.0)
        sobol = SobolEngine(lower.size, scramble=True, seed=self.seed)  # type: ignore[no-untyped-call]
        spread = sobol.draw(self.initial or 2 * lower.size).double().numpy()
        points = new = np.concatenate([(space.start - lower) / span, spread])
        answers = np.empty((0, 1 + space.constraints))
        while True:
            found = yield np.clip(lower + span * new, lower, upper)
            answers = np.concatenate([answers, np.concatenate([found.values, found.constraints], axis=1)])
            new = self._proposed(points, answers)
            points = np.concatenate([points, new])

    def _proposed(self, points: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Designs (batch, size) in the unit cube, from those so far and their (number, 1 + constraints) answers."""
        import torch
        from botorch.optim import optimize_acqf
        from botorch.utils.sampling import manual_seed

        cube = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, points.shape[1])
        with manual_seed(self.seed + len(points)):
            found, _ = optimize_acqf(
                self._improvement(points, answers),
                cube,
                q=self.batch,
                num_restarts=4,
                raw_samples=128,
                options={"maxiter": 50},
                sequential=True,
            )
        return found.numpy()

    def _improvement(self, points: np.ndarray, answers: np.ndarray) -> Any:
        """Logarithm of the expected improvement on the best design that keeps the constraints; on the worst if none."""
        import torch
        from botorch.acquisition.logei import qLogExpectedImprovement
        from botorch.acquisition.objective import LinearMCObjective
        from botorch.sampling import SobolQMCNormalSampler

        mean, deviation = answers.mean(axis=0), answers.std(axis=0, ddof=1)
        scale = np.where(deviation > 0, deviation, 1.0)
        standard, zero = (answers - mean) / scale, -mean / scale
        kept = (answers[:, 1:] <= 0).all(axis=1)
        return qLogExpectedImprovement(
            _fitted(points, standard),
            best_f=-(standard[kept, 0].min() if kept.any() else standard[:, 0].max()),
            sampler=SobolQMCNormalSampler(torch.Size([128]), seed=self.seed),
            objective=LinearMCObjective(-torch.eye(len(zero), dtype=torch.float64)[0]),
            constraints=[lambda samples, i=i: samples[..., i] - zero[i] for i in range(1, len(zero))] or None,
        )


def _fitted(points: np.ndarray, answers: np.ndarray) -> Any:
    """One Gaussian process for each column of answers."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.settings import validate_input_scaling
    from gpytorch.mlls import SumMarginalLogLikelihood

    x, y = torch.as_tensor(points), torch.as_tensor(answers)
    noise = torch.full_like(y[:, :1], _NOISE)
    with validate_input_scaling(False):  # it would warn of answers that are all the same
        model = ModelListGP(*[SingleTaskGP(x, y[:, [i]], noise, outcome_transform=None) for i in range(y.shape[1])])
    fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
    return model
