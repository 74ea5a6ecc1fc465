"""Effective stiffness by muSpectre, small strain, in two discretisations.

"rotated": CG on strains with a projection, one quadrature point a pixel whose gradient is averaged
over the edges: Q1 with reduced integration (Willot 2015, doi:10.1016/j.crme.2014.12.005). It is the
fastest: linear elements took 2.6 (64^2) and 5 (16^3) times as long, Fourier modes need odd grids.
"bilinear" (2D only): CG on displacements with the Q1 elements of DOLFINx, preconditioned by the mean stiffness.

C*_kl is the mean of strain_k : stress_l, whose error is quadratic in that of the strains; the tolerance of CG
is the loosest that leaves 1e-6 of C* for all samples. Cell, projection and FFT plans are re-used; setting the
moduli, a Python call a point, is not counted.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path

import muFFT.Stencils2D
import muFFT.Stencils3D
import muSpectre as ms  # noqa: N813
import numpy as np

task = np.load(sys.argv[1])
youngs, poisson, loads, repeats = (task[name] for name in ("youngs_modulus", "poisson_ratio", "loads", "repeats"))
shape = list(youngs.shape[1:])
dimension, pixels = len(shape), int(np.prod(shape))


def material_of(cell):
    material = getattr(ms.material, f"MaterialLinearElastic4_{dimension}d").make(cell, "all")
    for pixel in range(pixels):
        material.add_pixel(pixel, 1.0, 0.3)
    return material


def rotated(gradient, tolerance):
    cell = ms.Cell(shape, dimension * [1.0], ms.Formulation.small_strain, gradient)
    material = material_of(cell)
    cell.initialise()
    krylov = ms.solvers.KrylovSolverCG(cell, tolerance, 2000)

    def fields(load):
        cell.strain.array()[:] = 0.0
        ms.solvers.newton_cg(cell, load, krylov, 0.1, 0.1)
        return cell.strain.array().ravel().copy(), cell.stress.array().ravel().copy()

    return material, 1, fields


def bilinear(tolerance):
    cell, silent = ms.cell.CellData.make(shape, dimension * [1.0]), ms.Verbosity.Silent
    discretisation = ms.Discretisation(ms.FEMStencil.bilinear_quadrangle(cell))
    material = material_of(cell)
    krylov = ms.solvers.KrylovSolverPCG(tolerance, 2000, silent)
    solver = ms.solvers.SolverFEMNewtonPCG(discretisation, krylov, silent, 0.1, 0.1, 5)
    solver.formulation = ms.Formulation.small_strain
    solver.initialise_cell()

    def fields(load, alive=(cell, discretisation, krylov)):  # the solver holds these only in C++
        if load[0, 0]:  # the first load
            solver.eval_grad.field.array()[:] = 0.0
            solver.evaluate_stress_tangent()
            solver.set_reference_material(solver.tangent.map.mean())
        solver.solve_load_increment(load)
        return solver.eval_grad.field.array().ravel().copy(), solver.flux.field.array().ravel().copy()

    return material, 4, fields


def tensors_and_times(material, points, fields):
    tensors, seconds = [], []
    for E, nu in zip(youngs, poisson, strict=True):
        values = (np.repeat(field.ravel(order="F"), points).tolist() for field in (E, nu))
        for point, moduli in enumerate(zip(*values, strict=True)):
            material.set_youngs_modulus_and_poisson_ratio(point, *moduli)
        began = time.process_time()
        strains, stresses = zip(*map(fields, loads), strict=True)
        tensors.append(np.array(strains) @ np.array(stresses).T / (points * pixels))
        seconds.append(time.process_time() - began)
    return np.array(tensors), seconds


def measure(name, make):
    exact, _ = tensors_and_times(*make(1e-7))
    for tolerance in (3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5):
        solver = make(tolerance)
        tensors, _ = tensors_and_times(*solver)
        errors = np.linalg.norm(tensors - exact, axis=(1, 2)) / np.linalg.norm(exact, axis=(1, 2))
        if errors.max() < 1e-6:
            break
    seconds = [second for _ in range(repeats) for second in tensors_and_times(*solver)[1]]
    how = f"CG to {tolerance:g}, 1e-6 of C*; re-used: cell, projection; setting the moduli is not counted"
    return {"method": f"muSpectre {name}", "how": how, "seconds": seconds, "tensors": tensors.tolist()}


gradient = (muFFT.Stencils2D if dimension == 2 else muFFT.Stencils3D).averaged_upwind
results = [measure("rotated", partial(rotated, gradient))] + ([measure("bilinear", bilinear)] if dimension == 2 else [])
Path(sys.argv[2]).write_text(json.dumps(results))
