"""Model files from anybody: what is not safe is refused before it runs, what is damaged gives one line."""

import json
import os
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from genmech_fem.errors import ContractError
from genmech_fem.fields import ScalarSpec, to_json
from genmech_fem.runtime import METADATA_KEY, OnnxModel

X, Y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy")
SPECS = {"inputs": [to_json(ScalarSpec("x", 3))], "outputs": [to_json(ScalarSpec("y", 3))]}


def model(nodes, initializers=(), functions=(), about=None, inputs=(X,), outputs=(Y,), sparse=()):
    graph = helper.make_graph(
        list(nodes), "g", list(inputs), list(outputs), list(initializers), sparse_initializer=list(sparse)
    )
    domains = {node.domain for node in nodes} | {function.domain for function in functions} | {""}
    made = helper.make_model(
        graph,
        functions=list(functions),
        opset_imports=[helper.make_opsetid(domain, 20 if not domain else 1) for domain in domains],
        ir_version=10,
    )
    helper.set_model_props(made, {METADATA_KEY: json.dumps({"version": 2, **SPECS} if about is None else about)})
    return made


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, **attributes)


RELU = node("Relu", ["x"], ["y"])


def written(folder, made):
    path = folder / "m.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


def external(name="w", place="/etc/passwd"):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    return tensor


def huge(dims, kind=TensorProto.FLOAT, name="w"):
    return TensorProto(name=name, data_type=kind, dims=dims)


def branch(initializer):
    """An If whose branches hold a tensor of their own."""
    body = helper.make_graph(
        [node("Identity", ["w"], ["z"])], "b", [], [helper.make_tensor_value_info("z", 1, [3])], [initializer]
    )
    condition = numpy_helper.from_array(np.array(True), "c")
    return model([node("If", ["c"], ["t"], then_branch=body, else_branch=body), RELU], [condition])


def in_function(nodes):
    body = helper.make_function("mine", "F", ["a"], ["b"], nodes, [helper.make_opsetid("", 20)])
    return model([node("F", ["x"], ["y"], domain="mine")], functions=[body])


def calling(depth, width):
    """Functions that call the next one so many times."""
    made = []
    for k in range(depth):
        inner = [node(f"F{k + 1}", ["a"], [f"b{j}"], domain="mine") for j in range(width)]
        body = inner if k < depth - 1 else [node("Relu", ["a"], ["b0"])]
        imports = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
        made.append(helper.make_function("mine", f"F{k}", ["a"], ["b0"], body, imports))
    return model([node("F0", ["x"], ["y"], domain="mine")], functions=made)


def endless(kind):
    body = helper.make_graph([node("Relu", ["a"], ["b"])], "b", [X], [Y])
    return model([node(kind, ["x"], ["y"], body=body)])


def shaped(shape, *, constant=False):
    """Zeros of this shape."""
    array = numpy_helper.from_array(np.array(shape, dtype=np.int64), "s")
    nodes = [node("ConstantOfShape", ["s"], ["z"]), RELU]
    return model([node("Constant", [], ["s"], value_ints=shape), *nodes]) if constant else model(nodes, [array])


UNSAFE = {
    "external data": (lambda: model([RELU], [external()]), "keeps data outside the file"),
    "external data in a constant": (
        lambda: model([node("Constant", [], ["w"], value=external()), RELU]),
        "keeps data outside the file",
    ),
    "external data in a branch": (lambda: branch(external()), "keeps data outside the file"),
    "external data in a function": (
        lambda: in_function([node("Constant", [], ["w"], value=external()), node("Relu", ["a"], ["b"])]),
        "keeps data outside the file",
    ),
    "external data in a sparse tensor": (
        lambda: model([RELU], sparse=[onnx.SparseTensorProto(values=external(), indices=huge([0], 7), dims=[9])]),
        "keeps data outside the file",
    ),
    "foreign operator": (lambda: model([node("Evil", ["x"], ["y"], domain="com.microsoft")]), "com.microsoft.Evil"),
    "foreign operator in a function": (
        lambda: in_function([node("Evil", ["a"], ["b"], domain="ours")]), "foreign operator ours.Evil",
    ),
    "loop": (lambda: endless("Loop"), "operator Loop, which may run for ever"),
    "scan": (lambda: endless("Scan"), "operator Scan, which may run for ever"),
    "function that calls itself": (lambda: in_function([node("F", ["a"], ["b"], domain="mine")]), "call each other"),
    "functions that grow": (lambda: calling(12, 8), "more than 1000000 operators"),
    "huge tensor": (lambda: model([RELU], [huge([2**31, 2**31])]), "more than 2147483647 bytes"),
    "negative tensor": (lambda: model([RELU], [huge([-4])]), r"a tensor of the shape \[-4\]"),
    "tensor without its data": (lambda: model([RELU], [huge([64])]), "data do not fit"),
    "huge sparse tensor": (
        lambda: model([RELU], sparse=[onnx.SparseTensorProto(values=huge([0]), indices=huge([0], 7), dims=[2**40])]),
        "asks for a tensor of the shape",
    ),
    "huge zeros": (lambda: shaped([2**20, 2**20]), "ConstantOfShape asks for"),
    "huge zeros of a constant": (lambda: shaped([2**20, 2**20], constant=True), "ConstantOfShape asks for"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSAFE)
def test_unsafe_files_are_refused(kind, tmp_path):
    make, words = UNSAFE[kind]
    with pytest.raises(ContractError, match=f"is refused: .*{words}"):
        OnnxModel(written(tmp_path, make()))


def test_harmless_files_of_every_kind_of_tensor_run(tmp_path):
    kinds = [np.float32, np.float64, np.int8, np.int32, np.int64, np.uint64, np.bool_, np.float16]
    arrays = [np.arange(5).astype(kind) for kind in kinds]
    raw = [numpy_helper.from_array(a, f"raw{k}") for k, a in enumerate(arrays)]
    typed = [
        helper.make_tensor(f"typed{k}", helper.np_dtype_to_tensor_dtype(a.dtype), a.shape, a)
        for k, a in enumerate(arrays)
    ]
    text = helper.make_tensor("text", TensorProto.STRING, [2], [b"a", b"b"])
    path = written(tmp_path, model([RELU], [*raw, *typed, text]))
    np.testing.assert_array_equal(OnnxModel(path)({"x": np.array([[-1.0, 0, 2]])})["y"], [[0, 0, 2]])
    path = written(tmp_path, in_function([node("Relu", ["a"], ["b"])]))
    np.testing.assert_array_equal(OnnxModel(path)({"x": np.array([[-1.0, 0, 2]])})["y"], [[0, 0, 2]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no graph"),
        (b"plain text, no model\n" * 40, "is not a readable ONNX file"),
        (b"\x00" * 99, "ONNX file"),
    ],
)
def test_files_that_are_no_models_give_one_line(content, words, tmp_path):
    with pytest.raises(ContractError, match=words) as caught:
        OnnxModel(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_folders_and_large_files_are_refused(tmp_path, onnx_file):
    with pytest.raises(ContractError, match="no regular file"):
        OnnxModel(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ContractError, match="no regular file"):
            OnnxModel(tmp_path / "pipe")
    with pytest.raises(ContractError, match="more than 1000: raise the limit if you trust it"):
        OnnxModel(onnx_file, limit=1000)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"version": 99, **SPECS}, "format 99, this version of genmech_fem reads up to 2: update genmech_fem"),
        ({"version": 2, "inputs": [], "outputs": []}, "no specs of its inputs"),
        ({"version": 2, **SPECS, "inputs": [to_json(ScalarSpec("other", 3))]}, "its specs name"),
        ({"version": 2, **SPECS, "inputs": 7}, "carries no specs"),
        ({"version": 2, **SPECS, "passport": {"seeds": "x"}}, "passport.seeds: expected a list"),
    ],
)
def test_metadata_is_checked(about, words, tmp_path):
    with pytest.raises(ContractError, match=words):
        OnnxModel(written(tmp_path, model([RELU], about=about)))


def test_json_that_is_nested_too_deeply_is_no_traceback(tmp_path):
    made = model([RELU])
    helper.set_model_props(made, {METADATA_KEY: "[" * 200_000})
    with pytest.raises(ContractError, match="carries no specs"):
        OnnxModel(written(tmp_path, made))


def test_damaged_copies_give_nothing_but_contract_errors(tmp_path):
    """Torn, flipped and spliced copies of two real models."""
    weights = numpy_helper.from_array(np.ones((3, 3), dtype=np.float32), "w")
    whole = [
        model([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])], [weights]).SerializeToString(),
        branch(numpy_helper.from_array(np.ones(3, dtype=np.float32), "w")).SerializeToString(),
    ]
    generator, began, lines = np.random.default_rng(0), time.perf_counter(), []
    for k in range(1000):
        data = bytearray(whole[k % 2])
        if k % 4 < 2:
            del data[generator.integers(len(data)) :]
        else:
            for place in generator.integers(len(data), size=1 + k % 5):
                data[place] = generator.integers(256)
        try:
            OnnxModel(written(tmp_path, bytes(data)))
        except ContractError as error:
            lines.append(str(error))
    assert len(lines) > 500
    assert not any("\n" in line for line in lines)
    assert time.perf_counter() - began < 60
