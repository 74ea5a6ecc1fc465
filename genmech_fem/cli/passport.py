"""The passport of a surrogate's file, from its notes, its training data and its card."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmech_fem.datasets import Store
from genmech_fem.datasets.provenance import versions
from genmech_fem.errors import ContractError
from genmech_fem.runtime import Domain, Passport

if TYPE_CHECKING:
    from genmech_fem.surrogates import TorchModel


def passport_of(
    notes: Mapping[str, Any], domain: Mapping[str, Domain], metrics: Mapping[str, Mapping[str, float]]
) -> Passport:
    """The passport of a surrogate that ``genmech train`` wrote.

    Args:
        notes: Its notes.
        domain: Range of its input over the training data, by name.
        metrics: Quantiles of the relative L2 error, by row.
    """
    training = notes.get("training", {})
    seed = training.get("recipe", {}).get("seed")
    return Passport(
        domain=domain,
        metrics=metrics,
        **notes.get("solver", {}),
        data=training.get("data", ""),
        seeds=() if seed is None else (seed,),
        versions=versions(),
    )


def solver_of(store: Store) -> dict[str, str]:
    """Mesh and hash of the solver that made the labels, as far as the data set tells."""
    solver = store.description.get("model")
    if solver is None:
        return {}
    digest = hashlib.sha256(json.dumps(solver, sort_keys=True).encode()).hexdigest()
    meshes = [f"{mesh['nodes']} nodes, {mesh['cells']} cells" for mesh in _entries(solver, "mesh")]
    return {"form": digest, "mesh": "; ".join(dict.fromkeys(meshes))}


def _entries(data: Any, name: str) -> Iterator[Any]:
    """All entries of this name in nested JSON data that are mappings."""
    if isinstance(data, Mapping):
        if isinstance(data.get(name), Mapping):
            yield data[name]
        data = list(data.values())
    if isinstance(data, list):
        for part in data:
            yield from _entries(part, name)


def known_domain(model: "TorchModel") -> dict[str, Domain]:
    """Lowest and highest value of each channel of the input that the model has seen, if it has kept them."""
    seen = getattr(model.function, "outside", None)
    if seen is None or not seen.low.isfinite().all():
        return {}
    return {model.inputs[0].name: Domain(tuple(seen.low.tolist()), tuple(seen.high.tolist()))}


def card_metrics(model: Path) -> dict[str, dict[str, float]]:
    """The rows of errors of the card beside a model, if there is one.

    Raises:
        ContractError: The card is damaged.
    """
    card = model.with_name("card.json")
    if not card.exists():
        return {}
    try:
        return dict(json.loads(card.read_bytes())["errors"])
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{card}: expected the card of a surrogate: train it again, or remove the card") from error
