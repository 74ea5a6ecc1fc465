"""Shapes of the arrays that parts of generative models take and return, and random numbers for them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec
from genmech_fem.generative import InfoGAN, SequenceTransformer, TempoGAN

EXAMPLES = 3  # as many as to_onnx compares on


def _like_field(name: str) -> Callable[[Any, FieldSpec], Spec]:
    return lambda model, field: FieldSpec(name, field.place, field.value_shape)  # noqa: ARG005


def _on_tokens(name: str) -> Callable[[Any, Spec], Spec]:
    return lambda model, field: FieldSpec(name, _token_grid(model))  # noqa: ARG005


SPECS: Mapping[str, Callable[[Any, Any], Spec]] = {
    "field": lambda model, field: field,  # noqa: ARG005
    "latent": lambda model, field: ScalarSpec("latent", _latent_size(model)),  # noqa: ARG005
    "codes": lambda model, field: ScalarSpec("codes", model.classes + model.values),  # noqa: ARG005
    "noise": _like_field("noise"),
    "step_noise": lambda model, field: FieldSpec("step_noise", field.place, (model.sampler[1], *field.value_shape)),
    "x_t": _like_field("x_t"),
    "t": lambda model, field: ScalarSpec("t"),  # noqa: ARG005
    "velocity": _like_field("velocity"),
    "data": _like_field("data"),
    "tokens": _on_tokens("tokens"),
    "uniform": _on_tokens("uniform"),
    "logits": lambda model, field: FieldSpec("logits", _token_grid(model), (_tokenizer(model).count,)),  # noqa: ARG005
}
"""The spec of each array of a part, from the model and the spec of its samples."""


def example_inputs(specs: tuple[Spec, ...], model: Any, samples: Arrays) -> dict[str, np.ndarray]:
    """Inputs of a part: the samples that there are, and random numbers of the right kind for the others."""
    generator = np.random.default_rng(0)
    given = {spec.name: np.asarray(samples[spec.name]) for spec in specs if spec.name in samples}
    count = min((len(array) for array in given.values()), default=EXAMPLES)
    draw: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
        "tokens": lambda shape: generator.integers(0, _tokenizer(model).count, shape).astype(float),
        "t": lambda shape: generator.uniform(0.1, 0.9, shape),
        "uniform": generator.random,
        **dict.fromkeys(("latent", "noise", "step_noise", "x_t"), generator.standard_normal),
    }
    drawn = {spec.name: draw[spec.name]((count, *spec.shape)) for spec in specs if spec.name in draw.keys() - given}
    return {name: array[:count] for name, array in given.items()} | drawn


def check_specs(model: Any, field: Spec, condition: Spec | None) -> None:
    """Raise a ContractError unless the specs are those of the samples and of the conditions of a model."""
    name, sample = type(model).__name__, _sample_shape(model)
    frames = max(1, field.channel_shape[0] // sample[0]) if isinstance(model, TempoGAN) else 1
    expected = (frames * sample[0], *sample[1:])
    if field.channel_shape != expected:
        raise ContractError(
            f"{name}: expected samples of shape {expected} as channels and grid, got {field.channel_shape} "
            f"('{field.name}')"
        )
    given = None if condition is None else condition.channel_shape
    kind = condition_kind(model)
    wanted = None if kind is None else _condition_shape(model, kind, frames, given)
    if given != wanted:
        raise ContractError(f"{name}: expected a condition of kind {kind} and shape {wanted}, got {given}")


def condition_kind(model: Any) -> str | None:
    """``"scalars"``, ``"class"``, ``"field"``, ``"source"`` of a `SequenceTransformer`, or None."""
    if isinstance(model, SequenceTransformer):
        return "source"
    return getattr(getattr(model, "conditioning", None), "kind", None)


def _condition_shape(model: Any, kind: str, frames: int, given: tuple[int, ...] | None) -> tuple[int, ...]:
    if kind == "source":  # of any length
        return (model.features, given[-1] if given else -1)
    size = 1 if kind == "class" else model.conditioning.size
    return (frames * size, *model.shape[1:]) if kind == "field" else (size,)


def _sample_shape(model: Any) -> tuple[int, ...]:
    if isinstance(model, TempoGAN):
        return model.fine
    if isinstance(model, SequenceTransformer) and model.tokenizer is None:
        return model.grid
    return tuple(_tokenizer(model).shape)


def _tokenizer(model: Any) -> Any:
    """The tokenizer of a model, or the model itself if that is one or has none."""
    return getattr(model, "tokenizer", None) or model


def _token_grid(model: Any) -> Grid:
    own = _tokenizer(model)
    shape = own.grid if isinstance(own, SequenceTransformer) else own.coarse
    return Grid(shape, (0.0,) * len(shape), (1.0,) * len(shape))


def _latent_size(model: Any) -> int:
    return model.latent + (model.classes + model.values if isinstance(model, InfoGAN) else 0)
