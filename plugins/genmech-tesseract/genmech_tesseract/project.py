"""The folder that ``tesseract build`` makes an image of."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tesseract_core.sdk.api_parse import validate_tesseract_api

from genmech_fem.errors import ContractError
from genmech_fem.runtime import OnnxModel
from genmech_tesseract.named_model import ARGUMENTS, MODEL, named_model

TEMPLATE = Path(__file__).parent / "template" / "tesseract_api.py"


def write_project(
    folder: Path | str,
    model: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    name: str = "genmech",
    requirements: Sequence[str] = ("genmech-tesseract",),
) -> Path:
    """Write ``tesseract_api.py``, ``tesseract_config.yaml`` and ``tesseract_requirements.txt``.

    The model is built once, here, so that a wrong name or argument shows before the image is made. An ONNX file comes
    along, with that of its gradients.

    Args:
        folder: Where to write.
        model: What `named_model` takes.
        arguments: JSON data that the factory is called with.
        name: Name of the Tesseract.
        requirements: What pip installs in the image: names, or paths of wheels and folders.

    Returns:
        The path of ``tesseract_api.py``.

    Raises:
        ValueError: There is no such model.
        ContractError: The arguments are not JSON data.
    """
    folder, built = Path(folder), named_model(model, arguments)
    files = _files(built) if isinstance(built, OnnxModel) else []
    environment = {MODEL: files[0].name if files else model, ARGUMENTS: _json(arguments or {})}
    config = _config(name, environment, [file.name for file in files])
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.resolve() != (folder / file.name).resolve():
            shutil.copy2(file, folder / file.name)
    (folder / "tesseract_config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "tesseract_requirements.txt").write_text("\n".join(requirements) + "\n")
    shutil.copy2(TEMPLATE, folder / "tesseract_api.py")
    validate_tesseract_api(folder)
    return folder / "tesseract_api.py"


def _config(name: str, environment: Mapping[str, str], files: Sequence[str]) -> dict[str, Any]:
    build = {
        "requirements": {"provider": "uv-pip", "python_version": "3.12"},
        "extra_packages": ["build-essential"],  # FFCx compiles the forms at run time
        "package_data": [[file, file] for file in files],
    }
    return {"name": name, "version": "0.1.0", "env": dict(environment), "build_config": build}


def _files(model: OnnxModel) -> list[Path]:
    """The file of the model, and that of its vector-Jacobian products if there is one."""
    return [model.path, *([model.path.with_name(model.metadata["vjp"]["file"])] if hasattr(model, "vjp") else [])]


def _json(arguments: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(arguments))
    except TypeError as error:
        raise ContractError(f"arguments: expected JSON data, got {arguments}: {error}") from error
