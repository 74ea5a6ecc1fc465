"""A flow-matching model as an ONNX file that `runtime.FlowSampler` opens."""

from pathlib import Path

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.export.generators import generator_model
from genmech_fem.export.onnx_file import to_onnx
from genmech_fem.export.part_specs import example_inputs
from genmech_fem.export.report import ExportReport
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, to_json
from genmech_fem.generative import FlowMatching


def flow_to_onnx(
    model: FlowMatching,
    path: Path | str,
    *,
    field: FieldSpec,
    condition: ScalarSpec | None,
    samples: Arrays,
) -> ExportReport:
    """Export the velocity network with what a sampler needs to know beside it.

    Args:
        model: Trained model of one scalar field.
        path: Where to write (``.onnx``).
        field: Spec of the field that the model samples.
        condition: Spec of its condition, None if it has none.
        samples: At least 3 real samples of the field (and of the condition).

    Raises:
        ContractError: The model does not fit the specs, or ONNX Runtime disagrees with torch.
    """
    wanted = ["scalars", condition.size] if condition else None
    if field.value_shape or (model.shape[0], model.conditioning.config) != (1, wanted):
        raise ContractError(
            f"flow_to_onnx: expected a model of 1 channel with the condition {wanted}, "
            f"got {model.shape[0]} and {model.conditioning.config}"
        )
    name, steps = model.sampler
    if name != "heun":
        raise ContractError(f"flow_to_onnx: expected the sampler ('heun', steps), got {model.sampler}")
    mean, std = float(model.data_scale.mean[0]), float(model.data_scale.std[0])
    velocity = generator_model(model, "step", field=field, condition=condition)
    arrays = example_inputs(velocity.inputs, model, samples)
    low, high = model.bounds or (-np.inf, np.inf)
    flow = {"field": to_json(field), "mean": mean, "std": std, "bounds": [low, high], "steps": steps}
    return to_onnx(velocity, path, arrays, metadata={"flow": flow})
