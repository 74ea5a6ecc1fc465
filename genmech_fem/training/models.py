"""Trained models on disk: weights, architecture, normalisation and how they were made, without pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from genmech_fem import __version__, plugins
from genmech_fem.errors import ContractError, one_line
from genmech_fem.training.trainable import Trainable
from genmech_fem.training.weights import load_weights, save_weights

GROUPS = ("generative", "surrogates")


def save_model(model: Trainable, path: Path | str, notes: Mapping[str, Any] | None = None) -> None:
    """Write a trained model as one safetensors file with JSON data inside.

    Args:
        model: The model.
        path: The file.
        notes: What else to keep, as JSON data: seeds, `training_record`, specs of the fields.
    """
    about = {"model": type(model).__name__, "arguments": model.config(), "version": __version__}
    save_weights(model, Path(path), about | {"notes": dict(notes or {})})


def load_model(path: Path | str, *, network: nn.Module | None = None) -> tuple[Trainable, dict[str, Any]]:
    """Rebuild a model that `save_model` wrote, ready to be used.

    Args:
        path: The file.
        network: The foreign network that the model was given, untrained, if it was given one.

    Returns:
        The model, on the CPU, and its notes.

    Raises:
        FileNotFoundError: There is no such file.
        ContractError: The file is damaged, of an unknown model, or does not fit it.
    """
    about, tensors = load_weights(Path(path))
    name = str(about.get("model"))
    known = _by_class()
    if name not in known:
        raise ContractError(
            f"{path}: holds the model {name!r}; expected one of {', '.join(sorted(known))}: install its plugin"
        )
    try:
        model: Trainable = plugins.load(*known[name])(
            **about["arguments"], **({} if network is None else {"network": network})
        )
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ContractError(
            f"{path}: its weights do not fit {name} as built from its arguments ({one_line(error, 300)}): use the "
            f"version {about.get('version')} that wrote it, and give the foreign network if it had one"
        ) from error
    return model.eval(), dict(about.get("notes", {}))


def _by_class() -> dict[str, tuple[str, str]]:
    """Group and name of the models by class; of two classes with one name the built-in one counts."""
    found = [(target, (group, entry)) for group in GROUPS for entry, target in plugins.targets(group)]
    found.sort(key=lambda one: one[0].startswith("genmech_fem."))
    return {target.rpartition(":")[2]: place for target, place in found}
