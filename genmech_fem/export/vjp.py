"""The vector-Jacobian products of a model as a graph."""

from collections.abc import Mapping
from typing import Any

import onnx
import torch
from torch import Tensor

from genmech_fem.export.derivatives import differentiable, traced
from genmech_fem.export.graphs import captured, to_proto
from genmech_fem.export.layout import AtSpecs, changing_axes, examples, input_names, mask_axes
from genmech_fem.fields import Arrays
from genmech_fem.surrogates import TorchModel


def gradient_proto(model: TorchModel, arrays: Arrays, about: Mapping[str, Any], *, any_size: bool) -> onnx.ModelProto:
    """The graph from inputs and ``cotangent.OUTPUT`` for each output to ``gradient.INPUT`` for each input.

    Args:
        model: The model.
        arrays: Samples of its inputs.
        about: Metadata.
        any_size: Whether grids may change.

    Raises:
        ContractError: It cannot be exported.
    """
    module, given = AtSpecs(model), examples(arrays, model.inputs)
    axes = [*changing_axes(model.inputs, any_size=any_size), *mask_axes(model.inputs)]
    evaluate = differentiable(captured(module, given, axes))
    count, total = len(model.inputs), len(given)

    def gradients(*tensors: Tensor) -> tuple[Tensor, ...]:
        variables = [x.detach().requires_grad_() for x in tensors[:count]]
        with torch.enable_grad():
            results = evaluate(*variables, *tensors[count:total])
            return torch.autograd.grad(results, variables, tensors[total:], allow_unused=True, materialize_grads=True)

    with torch.no_grad():
        weights = [torch.ones_like(result) for result in module.eval()(*given)]
    tensors = [*given, *weights]
    axes = [*axes, *changing_axes(model.outputs, any_size=any_size)]
    program = captured(traced(gradients, tensors, axes), tensors, axes)
    inputs = [*input_names(model.inputs), *(f"cotangent.{spec.name}" for spec in model.outputs)]
    return to_proto(program, inputs, [f"gradient.{spec.name}" for spec in model.inputs], about)
