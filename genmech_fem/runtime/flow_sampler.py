"""Sampling of an exported flow-matching model: a decoder from noise and condition to a field."""

from pathlib import Path

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Spec, check, from_json
from genmech_fem.forward import ForwardModel
from genmech_fem.runtime.onnx_model import OnnxModel


class FlowSampler:
    """Integrate dx/dt = v(x, t, condition) from noise at t = 0 to a sample at t = 1 by Heun's method.

    Lipman et al., Flow matching for generative modeling (2023), doi:10.48550/arXiv.2210.02747.

    Args:
        velocity: Model with the inputs ``x_t`` (the field, normalised), ``t`` and any
            condition, and the output ``velocity``.
        field: Spec of the sampled field.
        mean: Mean of the field in the training data [unit of the field].
        std: Its standard deviation [unit of the field].
        bounds: Range that samples are clipped to [unit of the field].
        steps: Heun steps, two evaluations each.

    Raises:
        ContractError: The model is no velocity of such a field, or `steps` is below 1.
    """

    def __init__(
        self,
        velocity: ForwardModel,
        field: FieldSpec,
        *,
        mean: float = 0.0,
        std: float = 1.0,
        bounds: tuple[float, float] = (-np.inf, np.inf),
        steps: int = 10,
    ) -> None:
        specs = {spec.name: spec for spec in velocity.inputs}
        if not {"x_t", "t"} <= set(specs) or [spec.name for spec in velocity.outputs] != ["velocity"]:
            raise ContractError(
                "FlowSampler: expected a model from x_t, t (and a condition) to velocity, got one from "
                f"{list(specs)} to {[spec.name for spec in velocity.outputs]}"
            )
        if steps < 1 or specs["x_t"].shape != field.shape:
            raise ContractError(
                f"FlowSampler: expected steps >= 1 and x_t of shape {field.shape}, got {steps} and {specs['x_t'].shape}"
            )
        self._velocity, self._steps = velocity, steps
        self._mean, self._std, self._bounds = mean, std, bounds
        conditions = [spec for name, spec in specs.items() if name not in ("x_t", "t")]
        self.inputs: tuple[Spec, ...] = (FieldSpec("noise", field.place, field.value_shape), *conditions)
        self.outputs: tuple[Spec, ...] = (field,)

    @classmethod
    def open(cls, path: Path | str, *, steps: int | None = None, threads: int = 1) -> "FlowSampler":
        """Open a file that `export.flow_to_onnx` wrote.

        Raises:
            ContractError: The file is damaged, or holds no flow.
        """
        model = OnnxModel(path, threads=threads)
        try:
            flow = model.metadata["flow"]
            field = from_json(flow["field"])
            options = {"mean": flow["mean"], "std": flow["std"], "bounds": tuple(flow["bounds"])}
            steps = steps or int(flow["steps"])
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError(f"{path} holds no flow-matching model: write it with export.flow_to_onnx") from error
        if not isinstance(field, FieldSpec):
            raise ContractError(f"{path}: expected a field, got {field}")
        return cls(model, field, steps=steps, **options)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Decode standard normal ``noise`` under the given condition."""
        arrays = check(inputs, self.inputs)
        x = arrays.pop("noise")
        h = 1.0 / self._steps

        def velocity(x: np.ndarray, t: float) -> np.ndarray:
            return self._velocity({"x_t": x, "t": np.full((len(x), 1), t), **arrays})["velocity"]

        for k in range(self._steps):
            slope = velocity(x, k * h)
            x = x + h / 2 * (slope + velocity(x + h * slope, (k + 1) * h))
        return {self.outputs[0].name: np.clip(self._mean + self._std * x, *self._bounds)}
