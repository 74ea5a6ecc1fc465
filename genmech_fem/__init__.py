"""Finite-element simulation joined with generative AI for computational mechanics.

Importing this package loads numpy only; each room (`genmech_fem.problems`,
`genmech_fem.generative`, ...) loads the heavy package it needs.
"""

__version__ = "0.1.0"
