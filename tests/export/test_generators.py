"""Every part of every generative model as an ONNX file: it gives what the model gives, for the same random numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from genmech_fem.errors import ContractError
from genmech_fem.export import generator_to_onnx
from genmech_fem.export.parts import parts_of
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.generative import (
    GAN,
    VAE,
    VAEGAN,
    Architecture,
    Autoencoder,
    CycleGAN,
    Diffusion,
    FlowMatching,
    InfoGAN,
    NormalizingFlow,
    SequenceTransformer,
    TempoGAN,
    Tokenizer,
    TokenTransformer,
)
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import Perceptron
from genmech_fem.training import Recipe, fit

SHAPE, TINY = (1, 8, 8), Architecture((8,))
DATA = {
    "x": torch.rand(12, *SHAPE, generator=torch.Generator().manual_seed(0)),
    "scalars": torch.randn(12, 2, generator=torch.Generator().manual_seed(1)),
    "class": torch.arange(12) % 3,
    "field": torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(2)),
    "source": torch.randn(12, 5, 2, generator=torch.Generator().manual_seed(3)),
    "vector": torch.randn(12, 2, generator=torch.Generator().manual_seed(4)),
    "tokens": torch.arange(48).reshape(12, 4) % 5,
    "frames": torch.rand(12, 3, 1, 4, 4, generator=torch.Generator().manual_seed(5)),
    "fine": torch.rand(12, 3, 1, 8, 8, generator=torch.Generator().manual_seed(6)),
}


def grid(*points):
    return Grid(points, (0.0,) * len(points), (1.0,) * len(points))


FIELD = FieldSpec("phase", grid(8, 8))
SPECS = {
    None: None,
    "scalars": ScalarSpec("load", 2, "Pa"),
    "class": ScalarSpec("kind"),
    "field": FieldSpec("given", grid(8, 8)),
    "source": FieldSpec("path", grid(5), (2,)),
    "frames": FieldSpec("coarse", grid(4, 4), (3, 1)),
}


def trained(model, **data):
    """After a step of training, with weights that are nowhere zero."""
    for _ in fit(model, data, Recipe(steps=1, batch_size=4)):
        pass
    for parameter in model.parameters():
        if parameter.requires_grad and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return model.eval()


def tokenizer():
    return trained(Tokenizer(SHAPE, (5, 3), network=Architecture((8, 8, 8))), x=DATA["x"])


@dataclass(frozen=True)
class Case:
    """A model, the kind of its condition, the spec of its samples, and what each part should give."""

    make: Callable[[], Any]
    kind: str | None
    parts: dict[str, Callable[..., torch.Tensor]]
    field: Any = FIELD


def with_condition(kind):
    return {"x": DATA["x"], "condition": DATA[kind]}


LATENT = {
    "decoder": lambda m, a, c: m.decode(a["latent"], condition=c),
    "encoder": lambda m, a, c: m.encode(a["phase"], condition=c),
}
PATH = {
    "decoder": lambda m, a, c: m.decode(a["noise"], condition=c),
    "encoder": lambda m, a, c: m.encode(a["phase"], condition=c),
}


def diffusion(sampler, condition=None, **arguments):
    model = Diffusion(SHAPE, condition, network=TINY, sampler=sampler, **arguments)
    return trained(model, **(with_condition("field") if condition else {"x": DATA["x"]}))


CASES = {
    "autoencoder": Case(lambda: trained(Autoencoder(SHAPE, 3, network=TINY), x=DATA["x"]), None, LATENT),
    "vae": Case(
        lambda: trained(VAE(SHAPE, 3, ("scalars", 2), network=TINY), **with_condition("scalars")), "scalars", LATENT
    ),
    "vae_gan": Case(
        lambda: trained(VAEGAN(SHAPE, 3, ("class", 3), network=TINY), **with_condition("class")), "class", LATENT
    ),
    "gan": Case(
        lambda: trained(GAN(SHAPE, 3, ("class", 3), network=TINY, bounds=(0, 1)), **with_condition("class")),
        "class",
        {"decoder": LATENT["decoder"]},
    ),
    "info_gan": Case(
        lambda: trained(InfoGAN(SHAPE, 3, classes=2, values=1, network=TINY), x=DATA["x"]),
        None,
        {
            "decoder": lambda m, a, c: m.decode(a["latent"]),
            "encoder": lambda m, a, c: torch.cat(m.codes(a["phase"]), 1),
        },
    ),
    "normalizing_flow": Case(
        lambda: trained(
            NormalizingFlow(2, ("scalars", 2), transforms=2, hidden=(8,), bins=4),
            x=DATA["vector"],
            condition=DATA["scalars"],
        ),
        "scalars",
        {"decoder": LATENT["decoder"], "encoder": lambda m, a, c: m.encode(a["design"], condition=c)},
        ScalarSpec("design", 2),
    ),
    "tokenizer": Case(
        tokenizer,
        None,
        {
            "decoder": lambda m, a, c: m.decode_tokens(a["tokens"][:, 0].long()),
            "encoder": lambda m, a, c: m.tokens(a["phase"]),
        },
    ),
    "diffusion": Case(
        lambda: diffusion(("ddim", 2), ("field", 1), prediction="eps", bounds=(0, 1)),
        "field",
        {
            **PATH,
            "step": lambda m, a, c: torch.stack(m.denoise(a["x_t"], a["t"][:, 0], m.conditioning.encode(c)), 1),
        },
    ),
    "flow_matching": Case(
        lambda: trained(
            FlowMatching(SHAPE, ("scalars", 2), network=TINY, sampler=("heun", 1)), **with_condition("scalars")
        ),
        "scalars",
        {**PATH, "step": lambda m, a, c: m.velocity(a["x_t"], a["t"][:, 0], c)},
    ),
    "token_transformer": Case(
        lambda: trained(
            TokenTransformer(tokenizer(), ("class", 3), width=8, depth=1, heads=2), **with_condition("class")
        ),
        "class",
        {
            "step": lambda m, a, c: m.logits(a["tokens"].flatten(1).long(), c).transpose(1, 2),
            "sampler": lambda m, a, c: m.decode(a["uniform"].flatten(1), condition=c),
        },
    ),
    "sequence_transformer": Case(
        lambda: trained(SequenceTransformer(2, tokenizer(), width=8, depth=1, heads=2), **with_condition("source")),
        "source",
        {
            "step": lambda m, a, c: m.logits(a["tokens"].flatten(1).long()[:, :-1], condition=c).transpose(1, 2),
            "sampler": lambda m, a, c: m.decode(a["uniform"].flatten(1), condition=c),
        },
    ),
    "sequence_transformer to tokens": Case(
        lambda: trained(
            SequenceTransformer(2, (5, 4), width=8, depth=1, heads=2), x=DATA["tokens"], condition=DATA["source"]
        ),
        "source",
        {"sampler": lambda m, a, c: m.decode(a["uniform"].flatten(1), condition=c)},
        ScalarSpec("word", 4),
    ),
    "cycle_gan": Case(
        lambda: trained(CycleGAN(SHAPE, network=TINY), a=DATA["x"], b=DATA["field"]),
        "field",
        {"to_a": lambda m, a, c: m.translate(c, "a"), "to_b": lambda m, a, c: m.translate(c, "b")},
    ),
    "tempo_gan": Case(
        lambda: trained(TempoGAN((1, 4, 4), 2, network=TINY), coarse=DATA["frames"], x=DATA["fine"]),
        "frames",
        {"decoder": lambda m, a, c: torch.stack([m.refine(c[:, k]) for k in range(3)], 1)},
        FieldSpec("fine", grid(8, 8), (3, 1)),
    ),
}


def inputs_of(specs, case, n):
    """Real conditions and fields, and random numbers: by name, as the file takes them."""
    generator = np.random.default_rng(7)
    draw = {"tokens": lambda shape: generator.integers(0, 5, shape), "t": generator.random, "uniform": generator.random}
    known = {"phase": DATA["x"], "design": DATA["vector"]}
    if case.kind:
        values = DATA[case.kind]
        known[SPECS[case.kind].name] = values.transpose(1, 2) if case.kind == "source" else values
    return {
        spec.name: known[spec.name][:n].double().numpy().reshape(n, *spec.shape)
        if spec.name in known
        else draw.get(spec.name, generator.standard_normal)((n, *spec.shape))
        for spec in specs
    }


def as_torch(arrays, specs, case):
    """The same as float32 (batch, channels, *grid), and the condition as the model takes it."""
    tensors = {
        spec.name: torch.tensor(arrays[spec.name], dtype=torch.float32).reshape(-1, *spec.channel_shape)
        for spec in specs
    }
    return tensors, DATA[case.kind][: len(next(iter(arrays.values())))] if case.kind else None


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, case in CASES.items() for part in case.parts])
def test_the_file_gives_what_the_model_gives(name, part, tmp_path):
    torch.manual_seed(0)
    case = CASES[name]
    model, condition = case.make(), SPECS[case.kind]
    samples = (
        inputs_of([case.field, *([condition] if condition else [])], case, 4)
        if name != "tempo_gan"
        else {"coarse": DATA["frames"].double().numpy()}
    )
    path = tmp_path / "part.onnx"
    report = generator_to_onnx(model, path, field=case.field, condition=condition, part=part, samples=samples)
    assert max(report.differences.values()) < 1e-5
    session = OnnxModel(path)
    about = session.metadata["generator"]
    assert (about["family"], about["part"]) == (type(model).__name__, part)
    for n in (1, 5):
        arrays = inputs_of(session.inputs, case, n)
        with torch.no_grad():
            expected = case.parts[part](model, *as_torch(arrays, session.inputs, case)).double().numpy()
        found = np.concatenate([value.reshape(n, -1) for value in session(arrays).values()], axis=1)
        np.testing.assert_allclose(found, expected.reshape(n, -1), atol=1e-5 * np.abs(expected).max())


def test_every_family_and_every_part_is_tried():
    made = {name: case.make() for name, case in CASES.items()}
    families = {entry.load() for entry in entry_points(group="genmech_fem.generative")}
    ours = {family for family in families if family.__module__.startswith("genmech_fem.")}
    assert ours == {type(model) for model in made.values()}
    for name, model in made.items():
        if " " not in name:
            parts = parts_of(model)
            same = {"sampler"} if parts.get("sampler") is parts.get("decoder") else set()
            assert set(CASES[name].parts) == set(parts) - same, name


def test_the_sampler_with_fresh_noise_is_that_of_torch(tmp_path):
    model, steps = diffusion(("ddpm", 3)), 3
    path = tmp_path / "ddpm.onnx"
    generator_to_onnx(model, path, field=FIELD, part="sampler")
    expected = model.sample(4, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    noise, *others = [torch.randn(4, *SHAPE, generator=generator)[:, 0] for _ in range(1 + steps)]
    found = OnnxModel(path)({"noise": noise.numpy(), "step_noise": torch.stack(others, 1).numpy()})["phase"]
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-5)
    with pytest.raises(ValueError, match=r"noise \(n, 3, 1, 8, 8\) for the sampler 'ddpm' alone, got \(4, 2, 8, 8\)"):
        model.decode(noise[:, None], noise=torch.stack(others[:2], 1))


def test_the_steps_of_a_sampler_share_its_weights(tmp_path):
    stored = {}
    for steps in (1, 3):
        model = diffusion(("ddim", steps))
        generator_to_onnx(model, tmp_path / f"{steps}.onnx", field=FIELD, part="sampler")
        graph = onnx.load(tmp_path / f"{steps}.onnx").graph
        stored[steps] = sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in graph.initializer)
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert weights <= stored[1] <= stored[3] < weights + 2000


def test_uniform_numbers_draw_tokens_in_their_shares():
    """The first token of equally spaced numbers has the shares that the model gives it."""
    torch.manual_seed(0)
    model = SequenceTransformer(2, (5, 4), width=8, depth=1, heads=2)
    trained(model, x=DATA["tokens"], condition=DATA["source"])
    source, n = DATA["source"][:1].expand(1000, -1, -1), 1000
    uniform = torch.rand(n, 4, generator=torch.Generator().manual_seed(0))
    uniform[:, 0] = (torch.arange(n) + 0.5) / n
    with torch.no_grad():
        tokens = model.decode(uniform, condition=source)
        shares = model.logits(tokens[:1, :0], condition=source[:1])[0, 0].softmax(0)
        later = model.logits(tokens[:, :2], condition=source)[:, 2].softmax(1).cumsum(1)
    np.testing.assert_allclose(torch.bincount(tokens[:, 0], minlength=5) / n, shares, atol=1.1 / n)
    expected = (later <= uniform[:, 2:3]).sum(1)
    assert torch.equal(tokens[:, 2], expected)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gan", {"part": "encoder"}, "GAN: expected a part out of decoder, got 'encoder'"),
        ("cycle_gan", {}, "CycleGAN: expected a part out of to_a, to_b, got 'decoder'"),
        ("vae", {"condition": None}, r"VAE: expected a condition of kind scalars and shape \(2,\), got None"),
        ("gan", {"condition": ScalarSpec("kind", 3)}, r"kind class and shape \(1,\), got \(3,\)"),
        ("autoencoder", {"condition": ScalarSpec("load")}, r"kind None and shape None, got \(1,\)"),
        ("autoencoder", {"field": FieldSpec("u", grid(4, 4))}, r"shape \(1, 8, 8\) as .* got \(1, 4, 4\) \('u'\)"),
        ("autoencoder", {"field": FieldSpec("latent", grid(8, 8))}, "different names .* rename a spec"),
        ("vae", {}, "expected the inputs .*'load'.*, got .'latent'"),
    ],
)
def test_what_cannot_be_exported_is_refused(name, arguments, message, tmp_path):
    case = CASES[name]
    settings = {"field": case.field, "condition": SPECS[case.kind], **arguments}
    with pytest.raises(ContractError, match=message):
        generator_to_onnx(case.make(), tmp_path / "x.onnx", **settings)
    assert list(tmp_path.iterdir()) == []


def test_untrained_models_and_models_of_no_family_are_refused(tmp_path):
    with pytest.raises(ContractError, match="GAN: expected a trained model.* fit it first"):
        generator_to_onnx(GAN(SHAPE, 3, network=TINY), tmp_path / "x.onnx", field=FIELD)
    with pytest.raises(ContractError, match="expected a model of CycleGAN, .*, got Perceptron: wrap its function"):
        generator_to_onnx(Perceptron(2, (1, 8, 8)), tmp_path / "x.onnx", field=FIELD)
