import numpy as np
import pytest

from genmech_fem.errors import ContractError
from genmech_fem.fields import check, pad
from genmech_fem.geometry import conforming_mesh, mesh_arrays, mesh_of, mesh_specs
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
