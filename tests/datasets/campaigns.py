"""Small campaigns that the tests share; other processes import them without DOLFINx."""

import hashlib
import os
import time

import numpy as np

from genmech_fem.datasets import Campaign, Store
from genmech_fem.errors import ConvergenceError
from genmech_fem.fields import FieldSpec, Points, ScalarSpec, pad
from genmech_fem.forward import FunctionModel

X, Y = ScalarSpec("x", 2, "mm"), ScalarSpec("y", 2)


def draw(generator):
    return {"x": generator.random((1, 2))}


def first_entries(size, seed=0):
    """The first entry of every sample's x."""
    return np.array([draw(np.random.default_rng([seed, i]))["x"][0, 0] for i in range(size)])


def square(inputs):
    if inputs["x"][0, 0] > 0.9:
        raise ConvergenceError("no convergence after 7 steps")
    return {"y": inputs["x"] ** 2}


def misbehave(inputs):
    """Crash, hang, raise or return NaN, as the first entry says."""
    x = inputs["x"][0, 0]
    if x > 0.93:
        os.abort()
    if x > 0.88:
        time.sleep(600)
    if x > 0.8:
        raise ArithmeticError("too large")
    if x > 0.75:
        return {"y": inputs["x"] * np.nan}
    return {"y": inputs["x"] ** 2}


class Mood:
    """Settings that are not part of the campaign, as the memory of a machine."""

    top = 1.0


def moody(inputs):
    if inputs["x"][0, 0] > Mood.top:
        raise MemoryError
    return {"y": inputs["x"]}


def cloud(inputs):
    """A field on as many points as the first entry says."""
    counts = (3 + 10 * inputs["x"][:, 0]).astype(int)
    values, mask = pad([np.arange(2.0 * n).reshape(2, n) for n in counts])
    return {"v": values, "v.mask": mask}


def model(function, output=Y):
    return FunctionModel(function, (X,), (output,))


SMALL = Campaign(model(square), draw, 50)
BAD = Campaign(model(misbehave), draw, 40, seed=3)
CLOUD = Campaign(model(cloud, FieldSpec("v", Points(2), (2,))), draw, 12)


def fingerprint(path):
    """Numbers and a hash of every bit of every array."""
    numbers, arrays = Store.open(path).read()
    data = b"".join(arrays[name].tobytes() for name in sorted(arrays))
    return numbers.tolist(), hashlib.sha256(data).hexdigest()
