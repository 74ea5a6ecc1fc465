"""pyMOTO on the half MBB beam at volume 0.5 and penalty 3, with its density filter and its optimality criteria.

Reads shape (2,), radius and iterations. The solver is the one that pyMOTO finds: MKL's, else CHOLMOD, else SciPy's.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pymoto as pym

VOID = 1e-9


def compliance_network(nx, ny, radius):
    """Variables, compliance, and the modules between them."""
    domain = pym.VoxelDomain(nx, ny)
    dofs = np.arange(2 * domain.nnodes).reshape(-1, 2)
    held = [*dofs[domain.get_nodenumber(0, np.arange(ny + 1)), 0], dofs[domain.get_nodenumber(nx, 0), 1]]
    load = np.zeros(2 * domain.nnodes)
    load[dofs[domain.get_nodenumber(0, ny), 1]] = -1
    x = pym.Signal("x", state=np.full(domain.nel, 0.5))
    with pym.Network() as network:
        density = pym.DensityFilter(domain, radius=radius)(x)
        modulus = pym.MathExpression(f"{VOID} + {1 - VOID} * inp0^3")(density)
        stiffness = pym.AssembleStiffness(domain, poisson_ratio=0.3, plane="stress", bc=np.array(held))(modulus)
        solve = pym.LinSolve(symmetric=True, positive_definite=True)
        compliance = pym.EinSum("i,i->")(solve(stiffness, load), load)
    return x, compliance, network, solve


def main(task):
    """Compliance and CPU time [ms] of each iteration."""
    nx, ny = (int(n) for n in task["shape"])
    x, compliance, network, solve = compliance_network(nx, ny, float(task["radius"]))
    rule = pym.OC(x, compliance, network, move=0.2, verbosity=0, l2init=1e9, l1l2tol=1e-3)
    values, milliseconds, design = [], [], x.state
    for _ in range(int(task["iterations"])):
        began = time.process_time()
        design, value, _ = rule.step(design)
        milliseconds.append(1e3 * (time.process_time() - began))
        values.append(float(np.ravel(value)[0]))
    solver = getattr(solve.solver, "solver", solve.solver)
    return {"compliance": values, "cpu_ms": milliseconds, "solver": type(solver).__name__}


if __name__ == "__main__":
    with np.load(sys.argv[1]) as given:
        Path(sys.argv[2]).write_text(json.dumps(main(given)))
