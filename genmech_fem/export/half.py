"""Weights in half precision."""

import numpy as np
import onnx

from genmech_fem.errors import ContractError

SMALL = 1024  # bytes below which an array is no weight worth halving


def halve(proto: onnx.ModelProto) -> None:
    """Store the large float32 arrays of a model as float16; it computes in float32 as before.

    Raises:
        ContractError: A weight is beyond the range of float16.
    """
    graph = proto.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.raw_data) < SMALL:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ContractError(
                f"half: the weight '{tensor.name}' is beyond the range of float16: export it in float32"
            )
        name = tensor.name
        stored = f"{name}.half"
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
