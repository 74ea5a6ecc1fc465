"""Generative models as ONNX files: decoders, encoders, single steps, and whole samplers.

A file draws no random numbers: noise, latents and uniform numbers are its inputs, so that it gives the same field for
the same numbers everywhere.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError
from genmech_fem.export.onnx_file import to_onnx
from genmech_fem.export.part_specs import SPECS, check_specs, condition_kind, example_inputs
from genmech_fem.export.parts import Part, parts_of
from genmech_fem.export.report import ExportReport
from genmech_fem.fields import Arrays, Spec
from genmech_fem.surrogates import TorchModel
from genmech_fem.training import Normalizer, Trainable


class _PartOf(nn.Module):
    """A part of a model as a function of real tensors, of which a class is one."""

    def __init__(self, model: nn.Module, part: Part, outputs: tuple[Spec, ...]) -> None:
        super().__init__()
        self.model, self.call, self.outputs, self.kind = model, part.call, outputs, condition_kind(model)

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        *given, condition = arrays if self.kind else (*arrays, None)
        if condition is not None and self.kind == "class":
            condition = condition[:, 0].round().long()
        found = self.call(self.model, *given, condition)
        parts = zip(found if isinstance(found, tuple) else (found,), self.outputs, strict=True)
        return tuple(value.to(torch.float32).reshape(-1, *spec.channel_shape) for value, spec in parts)


def generator_model(
    model: Trainable, part: str = "decoder", *, field: Spec, condition: Spec | None = None
) -> TorchModel:
    """A part of a generative model as a `ForwardModel`, a function without chance.

    =====================  =================================================================================
    part                   from -> to, before the condition
    =====================  =================================================================================
    ``decoder``            ``latent``, ``noise`` or ``tokens`` -> field; of a `TempoGAN`, the condition alone -> field
    ``encoder``            field -> what the decoder takes; of an `InfoGAN` -> ``codes``, logits before values
    ``step``               ``x_t``, ``t`` -> ``velocity`` (`FlowMatching`, t = 1 at the data) or ``data`` and ``noise``
                           (`Diffusion`, t = 0 at the data), normalised; ``tokens`` -> ``logits`` of each token given
                           those before it
    ``sampler``            ``noise`` (for ``"ddpm"`` also ``step_noise`` of each step) or ``uniform`` numbers -> field
    ``to_a``, ``to_b``     a field of the other domain -> field
    =====================  =================================================================================

    Args:
        model: A trained model of any family of `genmech_fem.generative`, or another `LatentModel` with attributes
            `shape` and `latent`.
        part: Name of the part.
        field: Spec of the samples of the model; a vector for a `NormalizingFlow`. For a `TempoGAN` its value shape may
            begin with a number of frames, as that of the condition.
        condition: Spec of the condition: numbers, one number for a class, or a field; the vectors of a source are the
            value shape of a field on a line. None if there is none.

    Raises:
        ContractError: The model has no such part, is not trained, or does not fit the specs.
    """
    parts = parts_of(model)
    name = type(model).__name__
    if part not in parts:
        raise ContractError(f"{name}: expected a part out of {', '.join(sorted(parts))}, got {part!r}")
    if not all(each.fitted for each in model.modules() if isinstance(each, Normalizer)):
        raise ContractError(f"{name}: expected a trained model, got one without normalisation: fit it first")
    check_specs(model, field, condition)
    inputs, outputs = (
        tuple(SPECS[each](model, field) for each in some) for some in (parts[part].takes, parts[part].gives)
    )
    inputs = inputs if condition is None else (*inputs, condition)
    names = [spec.name for spec in (*inputs, *outputs)]
    if len(set(names)) < len(names):
        raise ContractError(f"{name}: expected different names of inputs and outputs, got {names}: rename a spec")
    return TorchModel(_PartOf(model, parts[part], outputs), inputs, outputs)


def generator_to_onnx(
    model: Trainable,
    path: Path | str,
    *,
    field: Spec,
    condition: Spec | None = None,
    part: str = "decoder",
    samples: Arrays | None = None,
    tolerance: float = 1e-5,
) -> ExportReport:
    """Export a part of a generative model; see `generator_model` for the parts.

    A sampler is written out step by step, because files with loops are refused; the steps share the weights, but
    the time to export it and the graph grow with their number. `sampler` and `guidance` of the model are fixed in it.

    Args:
        model: The model.
        path: Where to write (``.onnx``).
        field: Spec of its samples.
        condition: Spec of its condition.
        part: Name of the part.
        samples: At least 3 real samples of the field and of the condition, where they are inputs; random numbers are
            drawn here.
        tolerance: Largest accepted difference from torch, relative to the largest output.

    Raises:
        ContractError: As for `generator_model`, or samples are missing, or ONNX Runtime disagrees with torch.
    """
    forward = generator_model(model, part, field=field, condition=condition)
    about = {"family": type(model).__name__, "part": part, "config": model.config()}
    arrays = example_inputs(forward.inputs, model, samples or {})
    return to_onnx(forward, path, arrays, metadata={"generator": about}, tolerance=tolerance)
