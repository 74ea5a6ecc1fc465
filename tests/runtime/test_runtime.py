import subprocess
import sys

import numpy as np
import onnx
import pytest

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.runtime import METADATA_KEY, FlowSampler, OnnxModel

GRID = Grid((6, 6), (0, 0), (1, 1))
X_T, T = FieldSpec("x_t", GRID), ScalarSpec("t")


def linear_flow(steps):
    """v = a x with the exact solution x(1) = e^a x(0)."""
    velocity = FunctionModel(lambda s: {"velocity": 0.7 * s["x_t"]}, (X_T, T), (FieldSpec("velocity", GRID),))
    return FlowSampler(velocity, FieldSpec("phase", GRID), mean=2.0, std=3.0, steps=steps)


def test_heun_is_of_second_order_on_a_flow_with_known_solution():
    noise = np.random.default_rng(0).standard_normal((2, 6, 6))
    exact = 2.0 + 3.0 * np.exp(0.7) * noise
    errors = [np.abs(linear_flow(n)({"noise": noise})["phase"] - exact).max() for n in (4, 8, 16, 32)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.9).all()


def test_time_runs_from_zero_to_one():
    """v = 2 t has x(1) = x(0) + 1, which Heun's method meets exactly."""
    velocity = FunctionModel(
        lambda s: {"velocity": 2 * s["t"][:, :, None] + 0 * s["x_t"]}, (X_T, T), (FieldSpec("velocity", GRID),)
    )
    noise = np.zeros((1, 6, 6))
    np.testing.assert_allclose(FlowSampler(velocity, FieldSpec("phase", GRID), steps=3)({"noise": noise})["phase"], 1.0)


def test_a_model_that_is_no_velocity_is_refused():
    other = FunctionModel(lambda s: s, (X_T,), (X_T,))
    with pytest.raises(ContractError, match="expected a model from x_t, t"):
        FlowSampler(other, FieldSpec("phase", GRID))
    with pytest.raises(ContractError, match="steps >= 1"):
        linear_flow(0)


def test_bad_files_give_one_clear_line(onnx_file, tmp_path, capfd):
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        OnnxModel(tmp_path / "none.onnx")
    torn = tmp_path / "torn.onnx"
    no_text = onnx_file.read_bytes().replace(b"phase", b"ph\xb0se")
    for damaged in (onnx_file.read_bytes()[:2000], no_text):
        torn.write_bytes(damaged)
        with pytest.raises(ContractError, match="not a readable ONNX file"):
            OnnxModel(torn)
    assert capfd.readouterr() == ("", "")
    foreign = onnx.load(onnx_file)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(ContractError, match=f"no specs under the metadata key '{METADATA_KEY}'"):
        OnnxModel(tmp_path / "foreign.onnx")
    with pytest.raises(ContractError, match="holds no flow-matching model"):
        FlowSampler.open(onnx_file)


def test_an_answer_that_is_not_finite_is_an_error(onnx_file):
    with pytest.raises(ConvergenceError, match="returned NaN or infinity"):
        OnnxModel(onnx_file)({"phase": np.full((1, 16, 16), 3e38)})


def test_batches_threads_and_arguments(onnx_file, cells):
    inputs = {"phase": cells["phase"]}
    whole = OnnxModel(onnx_file, threads=2)(inputs)
    for name, value in OnnxModel(onnx_file, batch=3)(inputs).items():
        np.testing.assert_allclose(value, whole[name], atol=1e-5 * np.abs(value).max())
    for wrong in ({"threads": 0}, {"batch": 0}):
        with pytest.raises(ValueError, match="threads and batch >= 1"):
            OnnxModel(onnx_file, **wrong)


def test_opening_a_file_loads_neither_scipy_nor_what_computes_with_solids_and_networks():
    script = """
import sys, time
import onnxruntime
before, began = set(sys.modules), time.perf_counter()
import genmech_fem.runtime
print(time.perf_counter() - began)
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, names = done.stdout.splitlines()
    assert not set(names.split()) & {"scipy", "torch", "dolfinx", "skimage", "onnx", "meshio", "gmsh", "petsc4py"}
    assert float(seconds) < 2.0  # 0.1 s on a quiet machine


def test_outputs_that_are_bound_to_the_device_are_the_same(onnx_file, cells):
    """The way of a GPU, on the CPU."""
    model = OnnxModel(onnx_file)
    expected = model({"phase": cells["phase"]})
    model._session._bound = True
    for name, value in model({"phase": cells["phase"]}).items():
        np.testing.assert_array_equal(value, expected[name])
