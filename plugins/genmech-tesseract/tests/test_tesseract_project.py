"""The folder for `tesseract build` serves its model in a process of its own, as the container does."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from genmech_tesseract import model_from_environment, named_model, tesseract_api, write_project
from tesseract_core import Tesseract

from genmech_fem.adapters import conduction
from genmech_fem.errors import ContractError
from genmech_fem.export import to_onnx
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import TorchModel

PLUGIN = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """x -> x^2, with its gradients."""
    path = tmp_path_factory.mktemp("onnx") / "square.onnx"
    model = TorchModel(torch.square, (ScalarSpec("x", 2),), (ScalarSpec("y", 2),))
    to_onnx(model, path, {"x": np.arange(6.0).reshape(3, 2)}, vjp=True)
    return path


def test_a_served_solver_gives_the_numbers_of_this_process_and_says_its_errors(tmp_path):
    path = write_project(tmp_path / "project", "genmech_fem.adapters:darcy", arguments={"resolution": 8}, name="darcy")
    permeability = np.random.default_rng(0).uniform(1.0, 3.0, (2, 9, 9))
    inside = Tesseract.from_tesseract_api(tesseract_api(named_model("darcy", {"resolution": 8})))
    weights = {"pressure": np.random.default_rng(1).random((2, 9, 9))}
    question = {"permeability": permeability}, ["permeability"], ["pressure"], weights
    with Tesseract.from_source(path, python_executable=sys.executable, startup_timeout=300) as served:
        found, back = served.apply(question[0]), served.vector_jacobian_product(*question)
        for bad, message in (
            (np.nan, "Error 400 .*'permeability': expected finite numbers, sample 0"),
            (-1.0, "Error 400 .*sample 0: expected conductivity > 0, got -"),
        ):
            with pytest.raises(RuntimeError, match=message):
                served.apply({"permeability": bad * permeability})
    np.testing.assert_allclose(found["pressure"], inside.apply(question[0])["pressure"], rtol=1e-12, atol=1e-14)
    expected = inside.vector_jacobian_product(*question)["permeability"]
    np.testing.assert_allclose(back["permeability"], expected, rtol=1e-9, atol=1e-12)


def test_a_file_and_that_of_its_gradients_come_along(tmp_path, onnx, monkeypatch):
    path = write_project(tmp_path / "project", str(onnx))
    assert write_project(path.parent, str(path.parent / onnx.name)) == path  # also where they lie already
    config = yaml.safe_load((path.parent / "tesseract_config.yaml").read_text())
    assert [source for source, _ in config["build_config"]["package_data"]] == ["square.onnx", "square.vjp.onnx"]
    for name, value in config["env"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(path.parent))  # which the loader adds to; undone after the test
    monkeypatch.setenv("PYTHONPATH", "")
    client = Tesseract.from_tesseract_api(path)
    x = np.array([[1.0, 3.0]])
    np.testing.assert_allclose(client.apply({"x": x})["y"], x**2)
    back = client.vector_jacobian_product({"x": x}, ["x"], ["y"], {"y": np.ones((1, 2))})
    np.testing.assert_allclose(back["x"], 2 * x)
    monkeypatch.delitem(sys.modules, "tesseract_api")


def test_models_are_named_by_plugin_factory_or_file(onnx, monkeypatch):
    phase = {"phase": np.ones((1, 4, 4))}
    expected = conduction(4)(phase)["temperature"]
    for name in ("conduction", "genmech_fem.adapters:conduction"):
        np.testing.assert_array_equal(named_model(name, {"resolution": 4})(phase)["temperature"], expected)
    assert isinstance(named_model("square.onnx", folder=onnx.parent), OnnxModel)
    monkeypatch.setenv("GENMECH_MODEL", "conduction")
    monkeypatch.setenv("GENMECH_ARGUMENTS", '{"resolution": 4}')
    np.testing.assert_array_equal(model_from_environment()(phase)["temperature"], expected)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("conductoin", {}, "unknown name 'conductoin' in models: choose one of .*conduction"),
        ("genmech_fem.adapters:nothing", {}, "package.module:factory that can be imported, .*'nothing'"),
        ("absent.module:model", {}, "package.module:factory that can be imported, .*'absent'"),
        ("conduction", {"size": 4}, "cannot be called with the arguments {'size': 4}: .*'size'"),
        ("builtins:dict", {}, "expected a factory of ForwardModels, it made dict"),
    ],
)
def test_wrong_names_and_arguments_are_said_before_an_image_is_made(tmp_path, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_project(tmp_path / "project", name, arguments=arguments)
    assert not (tmp_path / "project").exists()


def test_what_the_environment_lacks_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("GENMECH_MODEL", raising=False)
    with pytest.raises(ValueError, match="GENMECH_MODEL is not set"):
        model_from_environment()
    monkeypatch.setenv("GENMECH_MODEL", "conduction")
    for text in ("[1]", "{", "3"):
        monkeypatch.setenv("GENMECH_ARGUMENTS", text)
        with pytest.raises(ValueError, match="GENMECH_ARGUMENTS: expected a JSON object"):
            model_from_environment()
    with pytest.raises(FileNotFoundError, match="absent"):
        named_model("absent.onnx", folder=tmp_path)
    with pytest.raises(ValueError, match=r"absent.onnx cannot be called with the arguments {'thread': 2}"):
        named_model("absent.onnx", {"thread": 2})
    with pytest.raises(ContractError, match="arguments: expected JSON data"):
        write_project(tmp_path, "conduction", arguments={"resolution": np.int64(4)})


def test_the_blocks_of_the_readme_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (PLUGIN / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    assert float(capsys.readouterr().out.split()[0]) == pytest.approx(0.0351, rel=0.02)  # the torsion of a square


def test_the_example_recovers_both_conductivities():
    spec = importlib.util.spec_from_file_location("tesseract_example", PLUGIN / "example.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    exact = example.main(16, noise=0.0)
    assert max(abs(exact["matrix"]), abs(exact["fibres"])) < 1e-6
    noisy = example.main(16)
    assert abs(noisy["matrix"]) < 0.005
    assert abs(noisy["fibres"]) < 0.05
