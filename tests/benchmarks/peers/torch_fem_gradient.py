"""Forward and gradient by torch-fem: the same Q1 elements in plane strain, direct solver of MKL Pardiso, float64.

Timed: a new field of moduli to the functional, then ``backward``. Mesh and sparsity pattern are re-used.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torchfem import Planar
from torchfem.materials import IsotropicElasticityPlaneStrain
from torchfem.mesh import rect_quad

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
task = np.load(sys.argv[1])
youngs, nu, repeats = task["youngs_modulus"], float(task["poisson_ratio"]), int(task["repeats"])
n = youngs.shape[1]
nodes, elements = rect_quad(n + 1, n + 1)
cells = tuple(torch.floor(nodes[elements].mean(dim=1) * n).long().T.numpy())
start = torch.as_tensor(youngs[0][cells])
model = Planar(nodes, elements, IsotropicElasticityPlaneStrain(start, torch.full_like(start, nu)))
model.constraints[nodes[:, 0] < 1e-9] = True
right = torch.nonzero(nodes[:, 0] > 1 - 1e-9).ravel()
model.forces[right, 1] = -1.0 / n
model.forces[right[[0, -1]], 1] = -0.5 / n
line = torch.tensor([[2.0, 1.0], [1.0, 2.0]]) / 6
corners = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1]])
mass = torch.stack([torch.stack([line[a[0], b[0]] * line[a[1], b[1]] for b in corners]) for a in corners]) / n**2

forward, backward, values, gradients = [], [], [], []
for sample in [0, *repeats * list(range(len(youngs)))]:
    E = torch.tensor(youngs[sample][cells], requires_grad=True)
    began = time.process_time()
    model.material = IsotropicElasticityPlaneStrain(E, torch.full_like(start, nu))
    u = model.solve(method="direct", differentiable_parameters=E)[0]
    local = u[elements]
    value = torch.einsum("eai,ab,ebi->", local, mass, local)
    solved = time.process_time()
    value.backward()
    backward.append(time.process_time() - solved)
    forward.append(solved - began)
    values.append(value.item())
    gradient = np.empty_like(youngs[0])
    gradient[cells] = E.grad.numpy()
    gradients.append(gradient.tolist())
count = len(youngs)
result = {"forward": forward[1:], "backward": backward[1:], "values": values[1:], "gradients": gradients[1 : count + 1]}
Path(sys.argv[2]).write_text(json.dumps(result))
