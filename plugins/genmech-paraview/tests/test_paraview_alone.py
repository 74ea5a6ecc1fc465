"""The filter file stands alone: without genmech_fem, with hostile files, and under ParaView's decorators."""

import ast
import importlib.util
import subprocess
import sys
from functools import wraps
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from genmech_paraview import filter_path
from genmech_paraview.genmech_onnx_filter import FilterError, Surrogate, read_file
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from genmech_fem import plugins
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.runtime.untrusted import check_model
from genmech_fem.runtime.wire import RefusedError, WireError
from genmech_fem.surrogates import TorchModel


@pytest.fixture(scope="module")
def double(tmp_path_factory):
    """A file that adds a field to itself, and its model."""
    grid = Grid((4, 4), (0.0, 0.0), (1.0, 1.0))
    path = tmp_path_factory.mktemp("files") / "double.onnx"

    class Double(nn.Module):
        def forward(self, a):
            return a + a

    model = TorchModel(Double(), (FieldSpec("a", grid),), (FieldSpec("b", grid, (), "mm"),))
    to_onnx(model, path, {"a": np.random.default_rng(0).random((3, 4, 4))})
    return path


ALONE = """
import importlib.util, sys
for name in ("genmech_fem", "genmech_pyvista", "torch", "dolfinx", "pyvista", "scipy", "onnx"):
    sys.modules[name] = None
spec = importlib.util.spec_from_file_location("genmech_onnx_filter", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
import numpy as np
image = vtkImageData()
image.SetDimensions(5, 5, 1)
image.SetSpacing(0.25, 0.25, 1)
array = numpy_to_vtk(np.arange(16.0), deep=True)
array.SetName("a")
image.GetCellData().AddArray(array)
surrogate = module.ONNXSurrogate()
surrogate.SetInputDataObject(image)
surrogate.SetFileName(sys.argv[2])
surrogate.SetOutputOn(1)
surrogate.Update()
print(vtk_to_numpy(surrogate.GetOutputDataObject(0).GetCellData().GetArray("b [mm]")).tolist())
"""


def test_it_runs_with_numpy_onnxruntime_and_vtk_alone(double, tmp_path):
    copy = tmp_path / "genmech_onnx_filter.py"
    copy.write_bytes(filter_path().read_bytes())
    command = [sys.executable, "-c", ALONE, str(copy), str(double)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    np.testing.assert_allclose(ast.literal_eval(done.stdout), 2 * np.arange(16.0))


def test_without_onnxruntime_it_says_so(double, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FilterError, match="onnxruntime is missing: install it for the Python of ParaView"):
        Surrogate(str(double))


def test_the_python_of_paraview_can_read_it():
    ast.parse(filter_path().read_text(), feature_version=(3, 10))


def test_the_module_prints_the_file_and_is_a_host():
    command = [sys.executable, "-m", "genmech_paraview"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{filter_path()}\n"
    assert plugins.load("hosts", "paraview") is filter_path
    assert filter_path().is_file()


def constant(name="c"):
    return numpy_helper.from_array(np.ones(3, np.float32), name)


def outside(tensor):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    return tensor


def huge():
    tensor = constant()
    tensor.dims[:] = [2**20, 2**20]
    return tensor


def model(*nodes, tensors=(), **fields):
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph(list(nodes), "g", [], [value], list(tensors)), **fields)


def loop():
    body = helper.make_graph([], "body", [], [])
    return helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)


def branch(node):
    """The node inside both branches of another one."""
    inside = helper.make_graph([node], "branch", [], [])
    return helper.make_node("If", ["c"], ["y"], then_branch=inside, else_branch=inside)


def trained():
    made = model()
    made.training_info.add()
    return made


HOSTILE = {
    "data elsewhere": (lambda: model(tensors=[outside(constant())]), "keeps data outside the file"),
    "data elsewhere in a constant": (
        lambda: model(helper.make_node("Constant", [], ["y"], value=outside(constant()))), "keeps data outside the file"
    ),
    "loop": (lambda: model(loop()), r"its operator \.Loop is foreign or may run for ever"),
    "loop in a branch": (lambda: model(branch(loop())), r"its operator \.Loop"),
    "foreign operator": (lambda: model(helper.make_node("Run", [], ["y"], domain="evil")), r"its operator evil\.Run"),
    "huge tensor": (lambda: model(tensors=[huge()]), "holds a tensor of 1.09951e\\+12 numbers"),
    "training": (trained, "holds a training graph"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_as_by_the_runtime(case, tmp_path):
    make, message = HOSTILE[case]
    path = tmp_path / "file.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(FilterError, match=message):
        read_file(str(path))
    with pytest.raises((RefusedError, WireError)):
        check_model(path.read_bytes())


def test_torn_files_are_refused(double, tmp_path):
    whole, path = double.read_bytes(), tmp_path / "torn.onnx"
    generator = np.random.default_rng(0)
    for size in generator.integers(1, len(whole), 40):
        path.write_bytes(whole[:size])
        with pytest.raises(FilterError, match="is"):
            Surrogate(str(path))
    for _ in range(200):
        noisy = bytearray(whole)
        noisy[int(generator.integers(len(whole)))] ^= int(generator.integers(1, 256))
        path.write_bytes(noisy)
        try:
            Surrogate(str(path))({"a": np.ones((4, 4))})
        except FilterError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda _: "", "carries no specs of fields on grids"),
        (lambda text: text.replace('"version": 2', '"version": 9'), "format 9: update this filter"),
        (
            lambda text: text.replace('"a"', '"c"'),
            r"its specs name \[\['c'\], \['b'\]\], its graph \[\['a'\], \['b'\]\]",
        ),
    ],
)
def test_foreign_metadata_is_refused(edit, message, double, tmp_path):
    proto, path = onnx.load(double), tmp_path / "file.onnx"
    for entry in proto.metadata_props:
        entry.value = edit(entry.value)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(FilterError, match=message):
        Surrogate(str(path))


class Recorder:
    """One of ParaView's four decorators: notes an element for each use, and nests what was noted before in it."""

    def __init__(self, kind):
        self._kind = kind

    def __getattr__(self, name):
        def take(*texts, **attributes):
            def decorate(decorated):
                original = getattr(decorated, "original", decorated)
                element = ElementTree.Element(f"{self._kind}.{name}", {k: str(v) for k, v in attributes.items()})
                element.extend(ElementTree.fromstring(text) for text in texts)  # noqa: S314
                noted = original.__dict__.get("noted", [])
                if self._kind == "smproperty":
                    element.extend(noted)
                    noted = []
                original.noted = [*noted, element]

                @wraps(decorated)
                def wrapper(*args, **kwargs):  # ParaView replaces classes by functions, too
                    return decorated(*args, **kwargs)

                wrapper.original = original
                return wrapper

            return decorate

        return take


@pytest.fixture
def in_paraview(monkeypatch):
    """The filter as ParaView loads it, under decorators that note the XML."""
    stand_in = ModuleType("paraview.util.vtkAlgorithm")
    for kind in ("smproxy", "smproperty", "smdomain", "smhint"):
        setattr(stand_in, kind, Recorder(kind))
    for name in ("paraview", "paraview.util"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    spec = importlib.util.spec_from_file_location("in_paraview", filter_path())
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_paraview_learns_every_property(in_paraview):
    kind = in_paraview.ONNXSurrogate.original
    properties = {}
    for name, method in vars(kind).items():
        original = getattr(method, "original", method)
        if hasattr(original, "noted"):
            (properties[name],) = original.noted
    assert set(properties) == {name for name in vars(kind) if name.startswith("Set")}
    for name, element in properties.items():
        assert element.get("name") == name.removeprefix("Set")
        assert element.tag.startswith("smproperty.")
    parts = {part.tag: part for part in properties["SetFileName"]}
    assert set(parts) == {"smdomain.filelist", "smhint.filechooser"}
    assert parts["smhint.filechooser"].get("extensions") == "onnx"
    entries = properties["SetOutputOn"].iter("Entry")
    assert [(entry.get("value"), entry.get("text")) for entry in entries] == [("0", "Points"), ("1", "Cells")]
    assert properties["SetFillOutside"].find(".//BooleanDomain") is not None
    given, hint, proxy = kind.noted
    assert given.get("name") == "Input"
    assert given[0].get("dataTypes") == "['vtkDataSet']"
    assert hint[0].get("category") == "genmech"
    assert (proxy.tag, proxy.get("name")) == ("smproxy.filter", "ONNXSurrogate")


def test_under_the_decorators_it_runs_and_has_a_name(in_paraview, double):
    surrogate = in_paraview.ONNXSurrogate()
    surrogate.SetFileName(str(double))
    surrogate.SetMargin(1.0)
    assert surrogate._surrogate().outputs[0].label == "b [mm]"
    assert in_paraview.paraview_plugin_name == "genmech ONNX surrogate"
