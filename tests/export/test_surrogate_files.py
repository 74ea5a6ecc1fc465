"""Every surrogate as an ONNX file: it equals torch at any batch size, and on other grids where its network can."""

from dataclasses import dataclass
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from torch import nn

from genmech_fem.errors import ContractError
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import (
    Ensemble,
    FieldSurrogate,
    GridSurrogate,
    PathSurrogate,
    Perceptron,
    PointSurrogate,
    PropertySurrogate,
    TorchModel,
    low_rank,
    path_model,
)

N, D = 12, 4  # points a side, in the plane and in space
SOFT = [[3.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 2.0]]
STIFF = [[30.0, 10.0, 0.0], [10.0, 30.0, 0.0], [0.0, 0.0, 20.0]]
ZEROS = {"channels": (8, 16), "padding_mode": "zeros"}
FOURIER = {"width": 8, "depth": 1, "modes": 4}
PATCHES = {"features": 12, "depth": 1, "heads": 2}
POINTS = {"features": 16, "depth": 1, "tokens": 4}


def grid(*points):
    return Grid(points, (0.0,) * len(points), (1.0,) * len(points))


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def prepared(model, **data):
    """With the normalisation of random data, and weights that are nowhere zero."""
    model.prepare(data)
    for parameter in model.parameters():
        if parameter.requires_grad and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return model.eval()


@dataclass(frozen=True)
class Case:
    """A surrogate, samples of its inputs, and other grids on which its file must work."""

    model: TorchModel
    samples: dict[str, np.ndarray]
    sizes: tuple[tuple[int, ...], ...] = ()


def arrays_for(specs, batch=5):
    generator = np.random.default_rng(1)
    return {spec.name: generator.random((batch, *spec.shape)) for spec in specs}


def on_grid(shape=(N, N), network="unet", sizes=(), hold=False, **arguments):
    torch.manual_seed(0)
    model = GridSurrogate(1, (2, *shape), network=network, **arguments)
    prepared(model, x=random(0, 8, 1, *shape), y=random(1, 8, 2, *shape))
    if hold:
        where = torch.zeros(2, *shape, dtype=torch.bool)
        where[:, 0] = True
        model.hold(random(2, 2, *shape), where)
    specs = FieldSpec("a", grid(*shape)), FieldSpec("u", grid(*shape), (2,), "mm")
    return Case(TorchModel(model, specs[:1], specs[1:]), arrays_for(specs[:1]), sizes)


def properties(shape=(8, 8), head="plain", sizes=(), **arguments):
    torch.manual_seed(0)
    model = PropertySurrogate((1, *shape), 6, head=head, widths=(8, 16), **arguments)
    data = random(0, 8, 1, *shape), random(1, 8, 6).abs() + torch.tensor([9.0, 1, 1, 9, 1, 9])
    prepared(model, x=data[0], y=data[1])
    inputs = (FieldSpec("phase", grid(*shape)),)
    return Case(TorchModel(model, inputs, (ScalarSpec("C", 6, "GPa"),)), arrays_for(inputs), sizes)


def at_points(**settings):
    """On different numbers of points: the file takes the mask."""
    torch.manual_seed(0)
    model = PointSurrogate(1, 2, settings=POINTS | settings)
    mask = torch.arange(9) < torch.tensor([9, 5, 7, 9])[:, None]
    data = {"x": random(0, 4, 1, 9), "points": random(1, 4, 2, 9), "y": random(2, 4, 2, 9), "mask": mask.float()}
    prepared(model, **data)
    cloud = Points(2)
    inputs = FieldSpec("x", cloud), FieldSpec("points", cloud, (2,))
    samples = {"x": (data["x"][:, 0] * mask).double().numpy(), "points": (data["points"] * mask[:, None]).numpy()}
    masks = {f"{spec.name}.mask": mask.numpy() for spec in inputs}
    return Case(TorchModel(model, inputs, (FieldSpec("y", cloud, (2,)),)), {**samples, **masks})


def on_a_graph():
    """At a number of nodes and edges that smaller meshes are padded to."""
    torch.manual_seed(0)
    model = PointSurrogate(1, 2, network="graph", settings={"features": 8, "depth": 2})
    one = torch.arange(6)
    edges = torch.stack([torch.cat([one, one + 1]), torch.cat([one + 1, one])]).repeat(4, 1, 1)
    edges[1, :, 3:] = -1
    mask = torch.ones(4, 7)
    prepared(model, x=random(0, 4, 1, 7), points=random(1, 4, 2, 7), y=random(2, 4, 2, 7), mask=mask)
    nodes = Points(2, 7)
    inputs = FieldSpec("x", nodes), FieldSpec("points", nodes, (2,)), FieldSpec("edges", Points(1, 12), (2,))
    samples = arrays_for(inputs, 4) | {"edges": edges.numpy()}
    return Case(TorchModel(model, inputs, (FieldSpec("y", nodes, (2,)),)), samples)


def along_a_path():
    torch.manual_seed(0)
    model = PathSurrogate(1, 2, 3, settings={"features": 8, "depth": 1, "heads": 2, "widths": (8,)})
    prepared(model, x=random(0, 6, 1, 8, 8), path=random(1, 6, 5, 3), y=random(2, 6, 5, 2, 8, 8))
    x, path = FieldSpec("x", grid(8, 8)), FieldSpec("load", Points(1, 5), (3,))
    forward = path_model(model, x=x, path=path, y=FieldSpec("u", grid(8, 8), (5, 2)))
    return Case(forward, arrays_for(forward.inputs), ((12, 16),))


def field_and_vector():
    torch.manual_seed(0)
    model = FieldSurrogate(1, 6, 9, widths=(8, 16), hidden=16)
    prepared(model, x=random(0, 6, 1, N, N), vector=random(1, 6, 6), field=random(2, 6, 9, N, N))
    inputs = (FieldSpec("phase", grid(N, N)),)
    outputs = ScalarSpec("C", 6), FieldSpec("strain", grid(N, N), (3, 3))
    return Case(TorchModel(model, inputs, outputs), arrays_for(inputs), ((8, 16), (20, 20)))


def perceptron(seed=0):
    torch.manual_seed(seed)
    return prepared(Perceptron(3, (2, 6), hidden=(8,)), x=random(0, 6, 3), y=random(1, 6, 2, 6))


def from_parameters(module, *names):
    inputs, outputs = (ScalarSpec("parameters", 3),), tuple(FieldSpec(name, Points(1, 6), (2,)) for name in names)
    return Case(TorchModel(module, inputs, outputs), arrays_for(inputs))


def adapted():
    case = on_grid(settings=ZEROS)
    torch.manual_seed(0)
    low_rank(case.model.function, 2)
    for parameter in case.model.function.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return case


CASES = {
    "grid_surrogate": lambda: on_grid(settings={"channels": (8, 16)}),
    "grid_surrogate, held": lambda: on_grid(settings=ZEROS, coordinates=True, hold=True),
    "grid_surrogate, 3D": lambda: on_grid((D, D, D), settings=ZEROS, hold=True),
    "grid_surrogate, fourier": lambda: on_grid(network="fourier", settings=FOURIER, coordinates=True),
    "grid_surrogate, fourier in 3D": lambda: on_grid((6, 6, 6), network="fourier", settings=FOURIER),
    "grid_surrogate, patches": lambda: on_grid(network="vision_transformer", settings=PATCHES, coordinates=True),
    "grid_surrogate, points": lambda: on_grid(network="point_transformer", settings=POINTS),
    "grid_surrogate, any grid": lambda: on_grid(settings=ZEROS, any_grid=True, sizes=((17, 9), (24, 24))),
    "grid_surrogate, any grid, periodic": lambda: on_grid(
        settings={"channels": (8, 16)}, any_grid=True, sizes=((16, 8), (24, 24))
    ),
    "grid_surrogate, any grid in 3D": lambda: on_grid(
        (D, D, D), settings=ZEROS, any_grid=True, sizes=((5, 6, 7), (8, 8, 8))
    ),
    "grid_surrogate, any grid, fourier": lambda: on_grid(
        network="fourier", settings=FOURIER, any_grid=True, sizes=((9, 20), (24, 24))
    ),
    "grid_surrogate, any grid, patches": lambda: on_grid(
        network="vision_transformer", settings=PATCHES, any_grid=True, sizes=((16, 8), (24, 24))
    ),
    "property_surrogate": lambda: properties(sizes=((4, 12), (16, 16))),
    "property_surrogate, positive": lambda: properties(head="positive"),
    "property_surrogate, bounded": lambda: properties(head="voigt_reuss", phases=(SOFT, STIFF), sizes=((4, 12),)),
    "property_surrogate, 3D": lambda: properties((4, 4, 4), head="voigt_reuss", phases=(SOFT, STIFF)),
    "field_surrogate": field_and_vector,
    "point_surrogate": at_points,
    "point_surrogate, low rank": lambda: at_points(attention="low_rank"),
    "point_surrogate, graph": on_a_graph,
    "path_surrogate": along_a_path,
    "perceptron": lambda: from_parameters(perceptron(), "u"),
    "ensemble": lambda: from_parameters(Ensemble([perceptron(0), perceptron(1)]), "mean", "deviation"),
    "low_rank": adapted,
}


@pytest.mark.parametrize("name", CASES)
def test_the_file_equals_torch(name, tmp_path):
    case = CASES[name]()
    report = to_onnx(case.model, tmp_path / "model.onnx", case.samples, sizes=case.sizes)
    assert max(report.differences.values()) < 1e-5
    tried = " ".join(report.differences)
    assert all("x".join(map(str, size)) in tried.replace(" x ", "x") for size in case.sizes)
    session = OnnxModel(tmp_path / "model.onnx")
    assert (session.inputs, session.outputs) == (case.model.inputs, case.model.outputs)
    for batch in (1, 4):
        inputs = {key: values[-batch:] for key, values in case.samples.items()}
        expected, found = case.model(inputs), session(inputs)
        assert set(found) == set(expected)
        for key, value in expected.items():
            assert np.abs(value).max() > 0
            np.testing.assert_allclose(found[key], value, atol=1e-5 * np.abs(value).max())


def test_every_surrogate_of_the_package_is_exported():
    ours = {
        entry.name
        for entry in entry_points(group="genmech_fem.surrogates")
        if entry.dist is not None and entry.dist.name.replace("-", "_") == "genmech_fem"
    }
    assert ours <= {name.split(",")[0] for name in CASES}


def test_any_grid_is_learned_on_one_and_used_on_another():
    """A network of pointwise layers does on any grid what it does at each point."""
    model = GridSurrogate(1, (1, 8, 8), network=nn.Conv2d(1, 1, 1), any_grid=True)
    data = {"x": random(0, 6, 1, 8, 8), "y": random(1, 6, 1, 8, 8)}
    prepared(model, **data)
    other = random(2, 3, 1, 5, 11)
    alone = model(other[:, :, 2:3, 4:5])
    torch.testing.assert_close(model(other)[:, :, 2:3, 4:5], alone)
    prepared(model, x=random(0, 2, 1, 4, 4), y=random(1, 2, 1, 4, 4))
    with pytest.raises(ValueError, match=r"expected y of shape \(batch, 1, 8, 8\), got \(2, 2, 4, 4\)"):
        model.prepare({"x": random(0, 2, 1, 4, 4), "y": random(1, 2, 2, 4, 4)})


def test_what_belongs_to_one_grid_does_not_go_with_any_grid():
    for arguments in ({"coordinates": True}, {"network": "point_transformer"}):
        with pytest.raises(
            ValueError, match=r"any_grid without coordinates, which belong to one grid.*leave out any_gr"
        ):
            GridSurrogate(1, (1, 8, 8), any_grid=True, **arguments)
    model = GridSurrogate(1, (1, 8, 8), settings=ZEROS, any_grid=True)
    with pytest.raises(ValueError, match="hold: expected a surrogate for one grid, got any_grid=True"):
        model.hold(torch.zeros(1, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool))


def test_a_surrogate_for_one_grid_has_no_file_for_others(tmp_path):
    case = on_grid(settings=ZEROS)
    with pytest.raises(ContractError, match="the model is static: its graph holds lengths of the example"):
        to_onnx(case.model, tmp_path / "model.onnx", case.samples, sizes=((16, 16),))
    assert list(tmp_path.iterdir()) == []


def test_a_history_of_other_steps_than_the_path_is_refused():
    model = PathSurrogate(1, 2, 3, settings={"features": 8, "depth": 1, "heads": 2, "widths": (8,)})
    x = FieldSpec("x", grid(8, 8))
    with pytest.raises(ContractError, match=r"begins with its 5 steps, got \(5,\) and \(4, 2\)"):
        path_model(model, x=x, path=FieldSpec("load", Points(1, 5), (3,)), y=FieldSpec("u", grid(8, 8), (4, 2)))
