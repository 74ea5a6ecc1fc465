"""A Taylor test for any `Problem`."""

import numpy as np
import pytest
from dolfinx import fem


def _array(control):
    return control.x.array if isinstance(control, fem.Function) else control.value


def _taylor_order(problem, cotangents, generator, names=None, steps=(1e-2, 5e-3, 2.5e-3)):
    """Order at which |J(m + h d) - J(m) - h pull_back . d| falls; 2 is right, 1 is wrong."""

    def value(h):
        for name in names:
            _array(problem.controls[name])[...] = at[name] + h * directions[name]
        problem.solve()
        observed = problem.observe()
        return sum(float(np.vdot(c, observed[key])) for key, c in cotangents.items())

    names = names or list(problem.controls)
    at = {name: np.array(_array(problem.controls[name])) for name in names}
    scales = {name: max(float(np.abs(a).max()), 1.0) for name, a in at.items()}
    directions = {name: generator.standard_normal(a.shape) * 0.5 * scales[name] for name, a in at.items()}
    base = value(0.0)
    gradients = problem.pull_back(cotangents)
    slope = sum(float(np.vdot(gradients[name], directions[name].ravel())) for name in names)
    remainders = [abs(value(h) - base - h * slope) for h in steps]
    value(0.0)
    return float(np.polyfit(np.log(steps), np.log(remainders), 1)[0])


@pytest.fixture
def taylor_order():
    return _taylor_order


@pytest.fixture
def generator():
    return np.random.default_rng(0)
