"""Weights on disk: one safetensors file with its JSON configuration inside.

Nothing is ever unpickled, so a foreign file cannot run code.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from genmech_fem.errors import ContractError

KEY = "genmech_fem"


def save_weights(model: nn.Module, path: Path, config: Mapping[str, Any]) -> None:
    """Write the weights of `model` with `config`, which has to be JSON data."""
    save_tensors(model.state_dict(), path, config)


def load_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a file of `save_weights`.

    Returns:
        The configuration, and the tensors by name on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ContractError: The file is damaged, or was not written by this library.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ContractError(
            f"{path}: expected a whole safetensors file, got {error}: write or copy it again"
        ) from error
    try:
        return json.loads(metadata[KEY]), tensors
    except (KeyError, json.JSONDecodeError) as error:
        raise ContractError(
            f"{path}: expected weights written by genmech_fem, got a file with metadata {sorted(metadata)}"
        ) from error


def save_tensors(tensors: Mapping[str, Tensor], path: Path, config: Mapping[str, Any]) -> None:
    """Write tensors and `config` under a passing name, then rename: never half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        save_file(plain, partial, {KEY: json.dumps(config)})
        partial.replace(path)
    except SafetensorError as error:
        raise OSError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
