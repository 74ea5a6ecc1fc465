"""Checks of DOLFINx: the library, the cache of its forms, and the compiler that makes them."""

import contextlib
import os
import sysconfig
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

with contextlib.suppress(ImportError):
    import dolfinx_solver  # noqa: F401  the wheel has to come first

import dolfinx
import numpy as np
import ufl
from mpi4py import MPI
from petsc4py import PETSc

from genmech_fem.errors import GenmechError

WHEEL = "dolfinx-solver-real"


def library() -> str:
    """Which DOLFINx it is, from where, and whether its numbers are real."""
    if np.issubdtype(PETSc.ScalarType, np.complexfloating):
        raise GenmechError("expected PETSc with real numbers, got complex ones: take the real build")
    petsc = ".".join(map(str, PETSc.Sys.getVersion()))
    about = f"DOLFINx {dolfinx.__version__} with PETSc {petsc}, real, from {{}}"
    try:
        wheel = f"the wheel {WHEEL} {version(WHEEL)}: scripts of your own import dolfinx_solver before dolfinx"
    except PackageNotFoundError:
        return about.format(Path(dolfinx.__file__).parents[4])
    return about.format(wheel)


def cache() -> str:
    """Whether compiled forms can be kept."""
    folder = Path(dolfinx.jit.get_options()["cache_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        return f"{folder} can be written, {sum(1 for _ in folder.glob('*.so'))} forms kept"


def compiler() -> str:
    """Compile a form that no cache knows, and integrate it."""
    mesh = dolfinx.mesh.create_unit_square(MPI.COMM_SELF, 2, 2)
    x = ufl.SpatialCoordinate(mesh)
    named = os.environ.get("CC") or sysconfig.get_config_var("CC")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            form = dolfinx.fem.form(x[0] * x[1] * ufl.dx, jit_options={"cache_dir": folder})
        except Exception as error:
            raise GenmechError(f"the compiler {named!r} makes no form: {error}") from error
        integral = dolfinx.fem.assemble_scalar(form)
    if abs(integral - 0.25) > 1e-12:
        raise GenmechError(f"expected 0.25 as integral of xy over the unit square, got {integral}")
    return f"{named!r} compiled a new form in {time.perf_counter() - began:.1f} s"
