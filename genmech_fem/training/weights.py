"""Weights on disk: one safetensors file with its JSON configuration inside.

Nothing is ever unpickled, so a foreign file cannot run code.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from genmech_fem.drafts import draft
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
    """Write tensors and `config`, which has to be JSON data, as a file that is whole or not there.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: _copy(tensor) for name, tensor in tensors.items()}
    try:
        with draft(path) as part:
            part.touch()
            mode = part.stat().st_mode  # as of any new file; safetensors lets the owner alone read its own
            save_file(plain, part, {KEY: json.dumps(config)})
            part.chmod(mode)
    except SafetensorError as error:
        raise OSError(f"{path}: cannot be written: {error}") from error


def _copy(tensor: Tensor) -> Tensor:
    """The tensor on the CPU in memory of its own, which safetensors asks for."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
