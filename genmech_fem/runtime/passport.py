"""What a model file says of its training: the data it saw, how wrong it was, and what made it.

The form follows Mitchell et al., Model cards for model reporting (2019), doi:10.1145/3287560.3287596.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from genmech_fem.errors import ContractError
from genmech_fem.runtime.domain import Domain, finite


@dataclass(frozen=True)
class Passport:
    """All that a model file says of its training; every entry may be left out.

    Args:
        domain: Range of each input over the training data, by the name of the input.
        metrics: Errors on samples that were not trained on: rows such as ``"surrogate"`` or ``"coarse FE"``, each with
            numbers such as ``"median"``.
        mesh: Mesh or solver of the labels.
        label_error: Relative error of the labels themselves.
        form: Which equations the labels solve, in words, or a hash.
        data: Hash of the training data.
        seeds: Seeds of data, weights and training.
        versions: Versions of the packages, by name.
        conformal: ``{"level": p, "radius": r}``: with probability p the relative L2 error is below r.

    Raises:
        ContractError: An entry is of the wrong kind; the message names it.
    """

    domain: Mapping[str, Domain] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    mesh: str = ""
    label_error: float | None = None
    form: str = ""
    data: str = ""
    seeds: tuple[int, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    conformal: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name in ("domain", "metrics", "versions"):
            _expect(name, getattr(self, name), Mapping, "a mapping")
        for name, domain in self.domain.items():
            _expect(f"domain['{name}']", domain, Domain, "a Domain")
        for row, numbers in self.metrics.items():
            _expect(f"metrics['{row}']", numbers, Mapping, "a mapping")
            for key, number in numbers.items():
                finite(f"metrics['{row}']['{key}']", number)
        for name in ("mesh", "form", "data"):
            _expect(name, getattr(self, name), str, "text")
        for name, version in self.versions.items():
            _expect(f"versions['{name}']", version, str, "text")
        for seed in self.seeds:
            _expect("seeds", seed, int, "whole numbers")
        if self.label_error is not None and finite("label_error", self.label_error) < 0:
            raise ContractError(f"passport.label_error: expected a number >= 0, got {self.label_error}")
        self._check_conformal()

    def _check_conformal(self) -> None:
        if self.conformal is None:
            return
        _expect("conformal", self.conformal, Mapping, "a mapping")
        if set(self.conformal) != {"level", "radius"}:
            raise ContractError(f"passport.conformal: expected level and radius, got {sorted(self.conformal)}")
        level, radius = (finite(f"conformal['{key}']", self.conformal[key]) for key in ("level", "radius"))
        if not 0 < level < 1 or radius < 0:
            raise ContractError(f"passport.conformal: expected 0 < level < 1 and radius >= 0, got {level}, {radius}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """A passport from what `to_json` wrote.

        Raises:
            ContractError: An entry is unknown or of the wrong kind; the message names it.
        """
        _expect("the whole", data, Mapping, "a mapping")
        unknown = sorted(set(data) - {entry.name for entry in fields(cls)})
        if unknown:
            raise ContractError(f"passport: unknown entries {unknown}")
        read = dict(data)
        if "seeds" in read:
            _expect("seeds", read["seeds"], (list, tuple), "a list")
            read["seeds"] = tuple(read["seeds"])
        if "domain" in read:
            _expect("domain", read["domain"], Mapping, "a mapping")
            read["domain"] = {name: _domain(name, entry) for name, entry in read["domain"].items()}
        return cls(**read)


def _domain(name: str, data: Any) -> Domain:
    _expect(f"domain['{name}']", data, Mapping, "a mapping")
    try:
        return Domain(**data)
    except (TypeError, ContractError) as error:
        raise ContractError(f"passport.domain['{name}']: {error}") from error


def _expect(name: str, value: Any, kind: type | tuple[type, ...], words: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ContractError(f"passport.{name}: expected {words}, got {value!r}")
