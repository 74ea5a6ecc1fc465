"""A torch module as a ForwardModel."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec, check, mask_name, one_mask

type TensorFunction = Callable[..., Tensor | tuple[Tensor, ...]]


class TorchModel:
    """Call a torch function or module with named numpy arrays, with derivatives.

    The function gets one float32 tensor per input, in order: fields as
    (batch, channels, *grid) with the value shape flattened to channels, vectors as
    (batch, size). It returns one tensor, or a tuple with one per output. Where the number of points of a field varies
    between samples, all such fields share one mask (batch, points), which the function gets as one more, last tensor.

    Args:
        function: Module (put into evaluation mode) or function of tensors.
        inputs: Specs of its arguments, in order.
        outputs: Specs of its results, in order.

    Raises:
        ContractError: The number of points of an output varies, but of no input.
    """

    def __init__(self, function: TensorFunction, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...]) -> None:
        self.function, self.inputs, self.outputs = function, inputs, outputs
        self._mask = mask_name(inputs)
        for spec in outputs:
            if -1 in spec.shape and self._mask is None:
                raise ContractError(f"TorchModel: '{spec.name}' varies in size between samples, but no input does")

    def __call__(self, inputs: Arrays) -> Arrays:
        """Map a batch of inputs to a batch of outputs, float64.

        Raises:
            ContractError: Inputs or outputs do not fit their specs.
        """
        arrays = check(inputs, self.inputs)
        with torch.no_grad():
            return self._outputs(self._evaluate(self._tensors(arrays, self.inputs), arrays), arrays)

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> Arrays:
        """Gradient of ``sum(cotangents * outputs)`` with respect to the inputs.

        Outputs that `cotangents` leaves out count as zero.

        Raises:
            ContractError: As for a call, or a cotangent is unknown or has another shape than its output.
        """
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[Arrays, Callable[[Arrays], Arrays]]:
        """Outputs, and the function from cotangents to the gradients of `vjp`, for one run of the network.

        Raises:
            ContractError: As for a call.
        """
        arrays = check(inputs, self.inputs)
        variables = [x.requires_grad_() for x in self._tensors(arrays, self.inputs)]
        with torch.enable_grad():
            results = self._evaluate(variables, arrays)

        def pull_back(cotangents: Arrays) -> Arrays:
            weighted = self._weighted(results, cotangents)
            with torch.enable_grad():
                total = sum(((y * weight).sum() for y, weight in weighted), start=0.0 * variables[0].sum())
            gradients = torch.autograd.grad(
                total, variables, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            return self._arrays(gradients, self.inputs)

        return self._outputs(results, arrays), pull_back

    def _outputs(self, results: Sequence[Tensor], arrays: Arrays) -> Arrays:
        outputs = self._arrays(results, self.outputs)
        if self._mask:
            outputs |= {f"{spec.name}.mask": arrays[self._mask] for spec in self.outputs if -1 in spec.shape}
        return check(outputs, self.outputs, "output")

    def _weighted(self, results: Sequence[Tensor], cotangents: Arrays) -> list[tuple[Tensor, Tensor]]:
        """The outputs that have cotangents, and these."""
        chosen = self._chosen(cotangents)
        weights = self._tensors(check(cotangents, chosen, "cotangent"), chosen)
        if any(len(weight) != len(results[0]) for weight in weights):
            raise ContractError(
                f"expected cotangents of {len(results[0])} samples like the inputs, "
                f"got {[len(weight) for weight in weights]}"
            )
        found = dict(zip(self.outputs, results, strict=True))
        return [(found[spec], weight) for spec, weight in zip(chosen, weights, strict=True)]

    def _chosen(self, cotangents: Arrays) -> tuple[Spec, ...]:
        unknown = sorted(set(cotangents) - {f"{spec.name}{end}" for spec in self.outputs for end in ("", ".mask")})
        if unknown:
            raise ContractError(f"unknown cotangents {unknown}: the outputs are {[s.name for s in self.outputs]}")
        return tuple(spec for spec in self.outputs if spec.name in cotangents)

    def _evaluate(self, arguments: Sequence[Tensor], arrays: Arrays) -> tuple[Tensor, ...]:
        if isinstance(self.function, nn.Module):
            self.function.eval()
        batch, points = len(arguments[0]), -1
        if self._mask:
            mask = torch.as_tensor(one_mask(arrays, self.inputs)).to(arguments[0])
            arguments, points = (*arguments, mask), mask.shape[1]
        made = self.function(*arguments)
        results = made if isinstance(made, tuple) else (made,)
        shapes = [tuple(result.shape) for result in results]
        expected = [(batch, *(points if n == -1 else n for n in spec.channel_shape)) for spec in self.outputs]
        if shapes != expected:
            raise ContractError(f"TorchModel: expected the module to return shapes {expected}, got {shapes}")
        return results

    def _tensors(self, arrays: Arrays, specs: tuple[Spec, ...]) -> list[Tensor]:
        parameters = self.function.parameters() if isinstance(self.function, nn.Module) else iter(())
        weight = next(iter(parameters), torch.empty(0))
        return [
            torch.tensor(arrays[spec.name], dtype=torch.float32, device=weight.device).reshape(
                len(arrays[spec.name]), *spec.channel_shape
            )
            for spec in specs
        ]

    @staticmethod
    def _arrays(tensors: Sequence[Tensor], specs: tuple[Spec, ...]) -> dict[str, np.ndarray]:
        return {
            spec.name: tensor.detach().to("cpu", torch.float64, copy=True).numpy().reshape(len(tensor), *spec.shape)
            for spec, tensor in zip(specs, tensors, strict=True)
        }
