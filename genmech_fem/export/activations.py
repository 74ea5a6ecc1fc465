"""How much memory the tensors between the inputs and the outputs of a graph take."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime

VIEWS = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"}  # ONNX Runtime moves no data for them


def activations(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> int:
    """Largest size of the tensors that live at one time when the nodes run in their order [byte].

    Args:
        model: Its graph, which is run once.
        feeds: Arrays that it takes.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    sizes = _sizes(model, feeds)
    end = len(model.graph.node)
    last = {name: k for k, node in enumerate(model.graph.node) for name in node.input}
    last |= {value.name: end for value in model.graph.output}
    owner = {}
    for k, node in reversed(list(enumerate(model.graph.node))):  # a view lives as long as what it shows
        if node.op_type in VIEWS:
            owner[node.output[0]] = node.input[0]
            last[node.input[0]] = max(last.get(node.input[0], k), last.get(node.output[0], k))
    live, most = {value.name: sizes[value.name] for value in model.graph.input}, 0
    for k, node in enumerate(model.graph.node):
        live |= {name: sizes[name] for name in node.output if name in sizes and name not in owner}
        most = max(most, sum(live.values()))
        live = {name: size for name, size in live.items() if last.get(name, k) > k and name not in weights}
    return most


def _sizes(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Bytes of all tensors of a graph, as they are when it runs."""
    traced = onnx.ModelProto()
    traced.CopyFrom(model)
    known = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name and name not in known]
    traced.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(traced.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, dict(feeds))
    found = {value.name: np.asarray(array).nbytes for value, array in zip(session.get_outputs(), outputs, strict=True)}
    return found | {name: array.nbytes for name, array in feeds.items()}
