import numpy as np
import pytest

from genmech_fem.errors import ContractError
from genmech_fem.fields import check, pad
from genmech_fem.geometry import Mesh, conforming_mesh, mesh_arrays, mesh_of, mesh_specs
from genmech_fem.microstructure import GaussianRandomField


def cell(dimension, seed):
    sampler = GaussianRandomField(12, dimension=dimension)
    return conforming_mesh(sampler(np.random.default_rng(seed))["phase"][0])


@pytest.mark.parametrize("dimension", [2, 3])
def test_meshes_come_back_from_a_padded_batch(dimension):
    meshes = [cell(dimension, seed) for seed in range(3)]
    assert len({len(mesh.points) for mesh in meshes}) > 1
    batch = {}
    for spec in mesh_specs(meshes[0].cell_type):
        batch[spec.name], batch[f"{spec.name}.mask"] = pad([mesh_arrays(mesh)[spec.name][0] for mesh in meshes])
    check(batch, mesh_specs(meshes[0].cell_type))
    assert batch["mesh.cells"].dtype.kind == "i"
    for i, mesh in enumerate(meshes):
        back = mesh_of(batch, i)
        assert back.cell_type == mesh.cell_type
        for name in ("points", "cells", "tags"):
            np.testing.assert_array_equal(getattr(back, name), getattr(mesh, name))


def test_other_arrays_are_refused():
    with pytest.raises(ContractError, match="expected the arrays of mesh_specs"):
        mesh_of({"x": np.zeros(3)})
    with pytest.raises(ContractError, match=r"nodes of a cell\) in .*, got \(2, 8\)"):
        mesh_of(
            {name: np.zeros(shape) for name, shape in {"mesh.points": (1, 2, 9), "mesh.cells": (1, 8, 1)}.items()}
            | {"mesh.tags": np.zeros((1, 1))}
            | {f"mesh.{name}.mask": np.ones((1, n), bool) for name, n in {"points": 9, "cells": 1, "tags": 1}.items()}
        )
    with pytest.raises(ValueError, match="expected one of .*'triangle'.*, got 'line'"):
        mesh_specs("line")


def test_a_surface_in_space_is_refused():
    surface = Mesh(np.eye(3), np.array([[0, 1, 2]]), "triangle", np.zeros(1, dtype=int))
    with pytest.raises(ContractError, match="expected a plane or solid mesh, got a surface"):
        mesh_arrays(surface)
