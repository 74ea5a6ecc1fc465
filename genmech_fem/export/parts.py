"""What of each family of generative models can stand alone: names, arrays in and out, and the function between them.

To add a family is to add a row of `FAMILIES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError
from genmech_fem.generative import (
    GAN,
    CycleGAN,
    FlowMatching,
    InfoGAN,
    LatentModel,
    SequenceTransformer,
    TempoGAN,
    Tokenizer,
    TokenTransformer,
)
from genmech_fem.generative.path_model import PathModel

type Function = Callable[..., Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class Part:
    """A function of arrays that a model offers.

    Args:
        takes: Names of the arrays it takes, before the condition.
        gives: Names of the arrays it returns, of any shape with the right entries.
        call: The function of the model, the arrays as (batch, channels, *grid) or (batch, size), and the condition.
    """

    takes: tuple[str, ...]
    gives: tuple[str, ...]
    call: Function


def _whole(numbers: Tensor) -> Tensor:
    """Whole numbers (batch, entries) that came as real ones."""
    return numbers.flatten(1).round().long()


DECODER = Part(("latent",), ("field",), lambda m, z, c: m.decode(z, condition=c))
ENCODER = Part(("field",), ("latent",), lambda m, x, c: m.encode(x, condition=c))
WALK = Part(("noise",), ("field",), lambda m, z, c: m.decode(z, condition=c))
WALK_WITH_NOISE = Part(
    ("noise", "step_noise"),
    ("field",),
    lambda m, z, noise, c: m.decode(z, condition=c, noise=noise.unflatten(1, (m.sampler[1], m.shape[0]))),
)
PATH = {
    "decoder": WALK,
    "encoder": Part(("field",), ("noise",), lambda m, x, c: m.encode(x, condition=c)),
    "sampler": WALK,
}
FAMILIES: Mapping[type[nn.Module], Mapping[str, Part]] = {
    CycleGAN: {
        "to_a": Part((), ("field",), lambda m, c: m.translate(c, "a")),
        "to_b": Part((), ("field",), lambda m, c: m.translate(c, "b")),
    },
    TempoGAN: {"decoder": Part((), ("field",), lambda m, c: m.refine(c.reshape(-1, *m.shape)))},
    Tokenizer: {
        "decoder": Part(("tokens",), ("field",), lambda m, t, _: m.decode_tokens(_whole(t).reshape(-1, *m.coarse))),
        "encoder": Part(("field",), ("tokens",), lambda m, x, _: m.tokens(x)),
    },
    TokenTransformer: {
        "step": Part(("tokens",), ("logits",), lambda m, t, c: m.logits(_whole(t)[:, :-1], c).transpose(1, 2)),
        "sampler": Part(("uniform",), ("field",), lambda m, u, c: m.decode(u.flatten(1), condition=c)),
    },
    SequenceTransformer: {
        "step": Part(
            ("tokens",),
            ("logits",),
            lambda m, t, c: m.logits(_whole(t)[:, :-1], condition=c.transpose(1, 2)).transpose(1, 2),
        ),
        "sampler": Part(("uniform",), ("field",), lambda m, u, c: m.decode(u.flatten(1), condition=c.transpose(1, 2))),
    },
    GAN: {"decoder": DECODER},
    InfoGAN: {
        "decoder": Part(("latent",), ("field",), lambda m, z, _: m.decode(z)),
        "encoder": Part(("field",), ("codes",), lambda m, x, _: torch.cat(m.codes(x), 1)),
    },
    FlowMatching: PATH | {"step": Part(("x_t", "t"), ("velocity",), lambda m, x, t, c: m.velocity(x, t[:, 0], c))},
    PathModel: PATH
    | {
        "step": Part(
            ("x_t", "t"), ("data", "noise"), lambda m, x, t, c: m.denoise(x, t[:, 0], m.conditioning.encode(c))
        )
    },
    LatentModel: {"decoder": DECODER, "encoder": ENCODER},
}


def parts_of(model: nn.Module) -> dict[str, Part]:
    """The parts of a model by name.

    Raises:
        ContractError: The model is of no known family.
    """
    for family, parts in FAMILIES.items():
        if isinstance(model, family):
            redrawn = isinstance(model, PathModel) and model.sampler[0] == "ddpm"
            return {**parts, **({"sampler": WALK_WITH_NOISE} if redrawn else {})}
    raise ContractError(
        f"expected a model of {', '.join(family.__name__ for family in FAMILIES)}, got {type(model).__name__}: "
        "wrap its function as a TorchModel and call to_onnx"
    )
