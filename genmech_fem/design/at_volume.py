"""Densities of exactly a wanted volume from any real field.

A threshold that keeps the volume: Xu, Cai and Cheng (2010), doi:10.1007/s00158-009-0452-7.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, Spec, check

_PER_STEP = 1e-14  # of the threshold, in units of the width of the step


@dataclass(frozen=True, eq=False)
class AtVolume:
    r"""Densities :math:`(1 + \tanh \beta (x - \eta)) / 2` with the threshold eta at which their mean is the fraction.

    This is `Projection` with its two ends moved to infinity. It has exactly one eta for every real field and
    fraction, for a constant field too (whose densities are all the fraction), whereas that of `Projection` lies
    between 0 and 1 and exists only for some fields from 0 to 1. Adding a constant to the field changes nothing.

    Args:
        field: The field (batch, *grid) that is an input.
        fraction: Mean of the densities [1]; None makes it an input ``volume`` (batch, 1).
        beta: Sharpness [1 / unit of the field]; the densities pass from 0.12 to 0.88 within 2 / beta.
        solid: Mask (*grid) of points with the density 1, which count in the volume.
        void: Mask (*grid) of points with the density 0, which count too.
        out: Name of the densities, the output (batch, *grid).

    Raises:
        ValueError: The sharpness is not positive, or the number of points is not fixed.
        ContractError: A mask does not fit the field, the masks overlap, or they leave no way to the fraction.
    """

    field: FieldSpec
    fraction: float | None = None
    _: KW_ONLY
    beta: float = 8.0
    solid: np.ndarray | None = None
    void: np.ndarray | None = None
    out: str = "density"

    def __post_init__(self) -> None:
        if not 0 < self.beta < np.inf:
            raise ValueError(f"AtVolume.beta: expected a finite positive sharpness, got {self.beta}")
        if -1 in self.field.shape:
            raise ValueError(f"AtVolume.field: expected a fixed number of points, got {self.field.place}")
        if (self._solid & self._void).any():
            raise ContractError("AtVolume: expected masks that do not overlap, some points are both solid and void")
        if self.fraction is not None:
            self._free_share(self.fraction)

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """The field, and the volume fraction where it is not fixed."""
        return (self.field,) if self.fraction is not None else (self.field, ScalarSpec("volume"))

    @property
    def outputs(self) -> tuple[FieldSpec]:
        """The densities."""
        return (FieldSpec(self.out, self.field.place, self.field.value_shape),)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Densities of each sample.

        Raises:
            ContractError: The inputs do not match the specs, or the masks leave no way to a volume.
        """
        return self.linearize(inputs)[0]

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradients of ``sum(cotangents * outputs)``; the threshold's is that of the implicit function theorem."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Densities (batch, *grid), and the function from cotangents of these to gradients."""
        arrays = check(inputs, self.inputs)
        x = self._of_free(arrays[self.field.name]).astype(np.float64)
        x = self.beta * (x - x.mean(axis=1, keepdims=True))
        volumes = arrays["volume"][:, 0] if self.fraction is None else np.full(len(x), self.fraction)
        eta = np.array([_threshold(*pair) for pair in zip(x, map(self._free_share, volumes), strict=True)])
        rho = (1 + np.tanh(x - eta.reshape(-1, 1))) / 2

        def pull_back(cotangents: Arrays) -> dict[str, np.ndarray]:
            cotangent = self._of_free(cotangents[self.out]) if self.out in cotangents else np.zeros_like(rho)
            slope = 2 * rho * (1 - rho)
            total = np.maximum(slope.sum(axis=1, keepdims=True), np.finfo(float).tiny)
            mean = (slope * cotangent).sum(axis=1, keepdims=True) / total
            gradients = {self.field.name: self._filled(self.beta * slope * (cotangent - mean), 0.0)}
            return gradients if self.fraction is not None else gradients | {"volume": self._solid.size * mean}

        return {self.out: self._filled(rho, self._solid)}, pull_back

    @cached_property
    def _solid(self) -> np.ndarray:
        return self._flat("solid", self.solid)

    @cached_property
    def _void(self) -> np.ndarray:
        return self._flat("void", self.void)

    @cached_property
    def _free(self) -> np.ndarray:
        return np.flatnonzero(~(self._solid | self._void))

    @cached_property
    def _shares(self) -> tuple[float, float]:
        return float(self._solid.mean()), float(self._void.mean())

    def _flat(self, name: str, mask: np.ndarray | None) -> np.ndarray:
        """The mask (points,), which nothing belongs to where there is none."""
        given = np.zeros(self.field.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
        if given.shape != self.field.shape:
            raise ContractError(f"AtVolume.{name}: expected a mask of shape {self.field.shape}, got {given.shape}")
        return given.ravel()

    def _of_free(self, array: np.ndarray) -> np.ndarray:
        """Values (batch, free points)."""
        return array.reshape(len(array), -1).take(self._free, axis=1)

    def _filled(self, values: np.ndarray, rest: np.ndarray | float) -> np.ndarray:
        """Values (batch, free points) put where the points are free, and `rest` elsewhere."""
        filled = np.full((len(values), self._solid.size), rest, dtype=np.float64)
        filled[:, self._free] = values
        return filled.reshape(-1, *self.field.shape)

    def _free_share(self, fraction: float) -> float:
        """Mean of the densities of the free points."""
        solid, void = self._shares
        if not solid < fraction < 1 - void:
            raise ContractError(
                f"AtVolume: expected a volume fraction above the share {solid:.4g} of solid points and below the "
                f"{1 - void:.4g} that void points leave, got {fraction:.4g}: change the fraction or the masks"
            )
        return (fraction - solid) / (1 - solid - void)


def _threshold(x: np.ndarray, share: float) -> float:
    """The eta at which (1 + tanh(x - eta)) / 2 has the mean `share`; it is known where x is constant."""
    alone = np.arctanh(2 * share - 1)
    wide = 1 + 1e-12 * np.abs(x).max()
    ends = x.min() - alone - wide, x.max() - alone + wide
    return float(brentq(lambda eta: np.tanh(x - eta).mean() - (2 * share - 1), *ends, xtol=_PER_STEP))
