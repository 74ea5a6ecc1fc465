"""Derivatives of exported graphs as graphs: reverse-mode differentiation, traced once.

Griewank, Walther, Evaluating derivatives (2008), doi:10.1137/1.9780898717761.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, get_decompositions
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel

from genmech_fem.export.graphs import Axes, quiet

aten = torch.ops.aten

type Tensors = tuple[Tensor, ...]


def traced(function: Callable[..., Tensors], examples: Sequence[Tensor], axes: Axes) -> GraphModule:
    """A function that differentiates as a graph of elementary operations, for any length along some axes.

    Args:
        function: Takes the examples.
        examples: Tensors, at least 2 long along axes that may change.
        axes: Their axes that may change.
    """
    mode = FakeTensorMode(shape_env=ShapeEnv(duck_shape=False), allow_non_fake_inputs=True)
    stand_ins = []
    for k, (example, changing) in enumerate(zip(examples, axes, strict=True)):
        sizes = [DimDynamic.DYNAMIC if axis in changing else DimDynamic.STATIC for axis in range(example.ndim)]
        context: Any = StatelessSymbolicContext(dynamic_sizes=sizes)
        stand_ins.append(mode.from_tensor(example, symbolic_context=context, source=ConstantSource(f"input{k}")))
    # fused attention has no derivative in ONNX; only the Python dispatcher keeps lengths symbolic in backward passes
    with quiet(), mode, enable_python_dispatcher(), sdpa_kernel(SDPBackend.MATH):
        graph = make_fx(function, decomposition_table=_decompositions(), _allow_non_fake_inputs=True)(*stand_ins)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def in_double(graph: GraphModule) -> None:
    """Turn the Python numbers of a traced graph into tensors: torch.onnx rounds them to float32."""
    for count, node in enumerate(graph.graph.nodes):
        target = WITH_TENSORS.get(node.target)
        for k, number in enumerate(node.args[:2] if target else ()):
            if isinstance(number, float):
                name = f"number{count}"
                graph.register_buffer(name, torch.tensor(number, dtype=torch.float64))
                with graph.graph.inserting_before(node):
                    node.update_arg(k, graph.graph.get_attr(name))
                node.target = target
    graph.recompile()


def differentiable(program: ExportedProgram) -> Callable[..., Any]:
    """The function of a graph, out of operations whose derivatives ONNX has."""
    return _Substituted(program.module(check_guards=False)).run


class _Substituted(Interpreter):
    """A graph with paddings and means of windows replaced."""

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return SUBSTITUTES.get(target, target)(*args, **kwargs)


def _padded(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Padding by concatenation: the derivative of torch's own writes into slices, which ONNX does one by one."""
    if mode not in ("circular", "replicate"):
        return aten.pad.default(x, pad, mode, value)
    for k, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        axis = x.ndim - 1 - k
        points = x.shape[axis]
        if mode == "circular":
            front, back = [x.narrow(axis, points - before, before)], [x.narrow(axis, 0, after)]
        else:
            front, back = [x.narrow(axis, 0, 1)] * before, [x.narrow(axis, points - 1, 1)] * after
        x = torch.cat([*(front if before else []), x, *(back if after else [])], dim=axis)
    return x


def _averaged(x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), *rest: Any) -> Tensor:
    """Means of windows by convolution."""
    if any(rest):
        return (aten.avg_pool2d if len(kernel) == 2 else aten.avg_pool3d).default(x, kernel, stride, *rest)
    weight = x.new_ones((x.shape[1], 1, *kernel)) / torch.Size(kernel).numel()
    zeros = [0] * len(kernel)
    ones = [1] * len(kernel)
    return aten.convolution.default(x, weight, None, stride or kernel, zeros, ones, False, zeros, x.shape[1])


def _zeros_like(x: Tensor, **_: Any) -> Tensor:
    """Memory to write to, which ONNX has filled only."""
    return aten.full_like.default(x, 0)


def _convolution_backward(cotangent: Tensor, x: Tensor, weight: Tensor, *geometry: Any) -> tuple[Tensor, None, None]:
    """Derivative of a convolution with respect to its input, which is the transposed convolution."""
    _, stride, padding, dilation, transposed, _, groups, _ = geometry
    extra = [
        0 if transposed else int(n - ((c - 1) * s - 2 * p + d * (k - 1) + 1))
        for n, c, k, s, p, d in zip(
            x.shape[2:], cotangent.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    found = aten.convolution.default(cotangent, weight, None, stride, padding, dilation, not transposed, extra, groups)
    return found, None, None


WITH_TENSORS = {
    aten.add.Tensor: aten.add.Tensor,
    aten.add.Scalar: aten.add.Tensor,
    aten.div.Tensor: aten.div.Tensor,
    aten.div.Scalar: aten.div.Tensor,
    aten.mul.Tensor: aten.mul.Tensor,
    aten.mul.Scalar: aten.mul.Tensor,
    aten.pow.Tensor_Scalar: aten.pow.Tensor_Tensor,
    aten.sub.Tensor: aten.sub.Tensor,
    aten.sub.Scalar: aten.sub.Tensor,
}

SUBSTITUTES: dict[Any, Callable[..., Tensor]] = {
    aten.pad.default: _padded,
    aten.avg_pool2d.default: _averaged,
    aten.avg_pool3d.default: _averaged,
}


def _decompositions() -> dict[Any, Callable[..., Any]]:
    norms = [
        aten.native_group_norm,
        aten.native_group_norm_backward,
        aten.native_layer_norm,
        aten.native_layer_norm_backward,
    ]
    table = {**core_aten_decompositions(), **get_decompositions(norms)}
    ours = {aten.convolution_backward.default: _convolution_backward, aten.empty_like.default: _zeros_like}
    return {**table, **ours}
