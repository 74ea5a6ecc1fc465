"""The noise of a flow as a latent space: cells are encoded by the flow run backwards, and joined along the sphere.

The flow is a map with an inverse, the same differential equation in reversed time: Chen, Rubanova, Bettencourt and
Duvenaud, Neural ordinary differential equations (2018), doi:10.48550/arXiv.1806.07366.
"""

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from genmech_fem.fields import Arrays, FieldSpec, from_json
from genmech_fem.forward import ForwardModel, FunctionModel
from genmech_fem.runtime import FlowSampler, OnnxModel


class Encoder:
    """From a field to the noise that a flow makes it of.

    Args:
        velocity: Model from ``x_t``, ``t`` and a condition to ``velocity``.
        field: Spec of the field.
        mean: Mean of the field in the training data [unit of the field].
        std: Its standard deviation [unit of the field].
        steps: Heun steps.

    Raises:
        ContractError: The model is no velocity of such a field, or `steps` is below 1.
    """

    def __init__(
        self, velocity: ForwardModel, field: FieldSpec, *, mean: float = 0.0, std: float = 1.0, steps: int = 10
    ) -> None:
        def backwards(arrays: Arrays) -> dict[str, np.ndarray]:
            return {"velocity": -velocity({**arrays, "t": 1 - arrays["t"]})["velocity"]}

        reverse = FunctionModel(backwards, velocity.inputs, velocity.outputs)
        self._flow = FlowSampler(reverse, replace(field, name="noise"), steps=steps)
        self._name, self._mean, self._std = field.name, mean, std

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file that `export.flow_to_onnx` wrote, and `FlowSampler.open` has read."""
        velocity = OnnxModel(path)
        flow = velocity.metadata["flow"]
        field = from_json(flow["field"])
        return cls(velocity, field, mean=flow["mean"], std=flow["std"], steps=int(flow["steps"]))  # type: ignore[arg-type]

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Noise (batch, *grid) of fields under their conditions."""
        start = {name: array for name, array in arrays.items() if name != self._name}
        start["noise"] = (arrays[self._name] - self._mean) / self._std
        return self._flow(start)["noise"]


def slerp(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Noise at a share of the way on the great circle between two (*grid), its length between theirs too.

    Shoemake, Animating rotation with quaternion curves (1985), doi:10.1145/325334.325242.
    """
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    a, b = first / lengths[0], second / lengths[1]
    angle = np.arccos(np.clip((a * b).sum(), -1.0, 1.0))
    length = (1 - share) * lengths[0] + share * lengths[1]
    if np.sin(angle) < 1e-6:  # one direction: the circle is not defined, the straight way is as good
        direction = (1 - share) * a + share * b
    else:
        direction = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return np.asarray(length * direction)
