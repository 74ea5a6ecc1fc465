"""Campaigns with real solves that the tests share; importable from other processes."""

from functools import partial

from genmech_fem.adapters import ConformingHomogenization, pixel_homogenization
from genmech_fem.datasets import Campaign
from genmech_fem.forward import LazyModel
from genmech_fem.microstructure import PeriodicFibres

FIBRES = Campaign(ConformingHomogenization(resolution=16, refine=1), PeriodicFibres(resolution=16), 6, seed=3)


def moduli(generator):
    return {"youngs_modulus": 1 + generator.random((1, 16, 16))}


PIXELS = Campaign(LazyModel(partial(pixel_homogenization, 16)), moduli, 12, seed=5)
