"""What an ONNX file says of itself, as checked data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Spec, from_json, to_json
from genmech_fem.runtime.passport import Passport

METADATA_KEY = "genmech_fem"
"""Key of the metadata of an ONNX file that holds its description, as JSON."""
VERSION = 2


def to_metadata(
    inputs: tuple[Spec, ...],
    outputs: tuple[Spec, ...],
    *,
    precision: str,
    any_size: bool,
    passport: Passport | None = None,
) -> dict[str, Any]:
    """What a file has to say of itself, as JSON data, for `Description.read`.

    Args:
        inputs: What the graph takes.
        outputs: What it returns.
        precision: Type of its weights, such as ``"float32"``.
        any_size: Whether it works on grids of any shape, not on its own alone.
        passport: What it says of the training.
    """
    return {
        "version": VERSION,
        "sizes": "any" if any_size else "fixed",
        "precision": precision,
        "inputs": [to_json(spec) for spec in inputs],
        "outputs": [to_json(spec) for spec in outputs],
        **({"passport": passport.to_json()} if passport else {}),
    }


@dataclass(frozen=True)
class Description:
    """Specs and passport of a file, and all the rest as JSON data."""

    metadata: Mapping[str, Any]
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    passport: Passport | None

    @classmethod
    def read(cls, properties: Mapping[str, str], path: object) -> "Description":
        """Read the metadata of the file at `path`.

        Raises:
            ContractError: They are missing, damaged, or of a newer version.
        """
        try:
            metadata = json.loads(properties[METADATA_KEY])
            version = metadata["version"]
            inputs, outputs = (tuple(map(from_json, metadata[key])) for key in ("inputs", "outputs"))
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise ContractError(
                f"{path} carries no specs under the metadata key '{METADATA_KEY}': write it with export.to_onnx"
            ) from error
        if not isinstance(version, int) or version > VERSION:
            raise ContractError(
                f"{path} was written in the format {version!r}, this version of genmech_fem reads up to {VERSION}: "
                "update genmech_fem"
            )
        if not inputs or not outputs:
            raise ContractError(f"{path} carries no specs of its inputs or of its outputs")
        try:
            passport = Passport.from_json(metadata["passport"]) if metadata.get("passport") is not None else None
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from error
        return cls(metadata, inputs, outputs, passport)

    def at(self, shape: tuple[int, ...], path: object) -> "Description":
        """The same with all fields on a grid of another shape.

        Raises:
            ContractError: The file works on its own grid only, or that grid has another dimension.
        """
        if self.metadata.get("sizes") != "any":
            raise ContractError(
                f"{path} works on its own grid only, got the shape {shape}: export it with sizes, or leave shape out"
            )
        inputs, outputs = (tuple(resized(spec, shape) for spec in part) for part in (self.inputs, self.outputs))
        return replace(self, inputs=inputs, outputs=outputs)


def resized(spec: Spec, shape: tuple[int, ...]) -> Spec:
    """The spec on a grid of another shape, in the same box; a spec that is on no grid stays as it is.

    Raises:
        ContractError: The grid has another dimension.
    """
    if not isinstance(spec, FieldSpec) or not isinstance(spec.place, Grid):
        return spec
    if len(shape) != spec.place.dimension:
        raise ContractError(f"expected a shape of {spec.place.dimension} axes for '{spec.name}', got {shape}")
    return replace(spec, place=replace(spec.place, shape=shape))
