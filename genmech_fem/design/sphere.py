"""Noise of diffusion and flow models on the sphere where nearly all of it lies, with a trust region.

The norm of standard normal noise of dimension d is near the root of d: Vershynin, High-Dimensional Probability
(2018), doi:10.1017/9781108231596. Exponential map: Absil, Mahony and Sepulchre (2008), doi:10.1515/9781400830244.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec, check


@dataclass(frozen=True, eq=False)
class OnSphere:
    r"""Free variables x to noise z on the sphere of radius :math:`\sqrt d`.

    Without a centre :math:`z = \sqrt d \, x / |x|`. With the centre :math:`\sqrt d \, c` (c of length 1) and the
    part v of x normal to it the noise lies at the angle :math:`s = \alpha \tanh(t / \alpha)` from the centre, with
    :math:`t = |v| / \sqrt d` and the largest angle :math:`\alpha`:
    :math:`z = \sqrt d \, (\cos s \, c + \sin s \, v / |v|)`. So the variables 0 give the centre, small ones
    are added to it, and every point within the angle is reached.

    Args:
        spec: The noise, the output (batch, *spec.shape).
        centre: Noise (*spec.shape), or (batch, *spec.shape), around which the trust region lies; only its
            direction counts. None for the whole sphere.
        angle: Largest angle to the centre [rad], up to pi.
        variables: Name of the free variables, the input, of the shape of the noise.

    Raises:
        ValueError: There is a centre without an angle or the other way round, or the angle is not in (0, pi], or the
            size of the noise is not fixed.
        ContractError: The centre does not fit the noise, is zero or is not finite.
    """

    spec: Spec
    centre: np.ndarray | None = None
    _: KW_ONLY
    angle: float | None = None
    variables: str = "variables"

    def __post_init__(self) -> None:
        if -1 in self.spec.shape:
            raise ValueError(f"OnSphere.spec: expected a fixed size, got {self.spec}")
        if (self.centre is None) != (self.angle is None):
            raise ValueError("OnSphere: expected a centre together with an angle, or none of the two, got only one")
        if self.angle is not None and not 0 < self.angle <= np.pi:
            raise ValueError(f"OnSphere.angle: expected an angle in (0, pi] rad, got {self.angle}")
        _ = self._centre

    @property
    def inputs(self) -> tuple[Spec]:
        """The free variables."""
        return (replace(self.spec, name=self.variables),)

    @property
    def outputs(self) -> tuple[Spec]:
        """The noise."""
        return (self.spec,)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Noise of each sample.

        Raises:
            ContractError: The inputs do not match the spec, or are zero and there is no centre.
        """
        return self.linearize(inputs)[0]

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` by the variables."""
        return self.linearize(inputs)[1](cotangents)

    def linearize(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], Callable[[Arrays], dict[str, np.ndarray]]]:
        """Noise (batch, *spec.shape), and the function from cotangents of it to gradients."""
        array = check(inputs, self.inputs)[self.variables]
        x = _rows(array)
        noise, back = _anywhere(x) if self.angle is None else _around(x, self._centre_of(x), self.angle)

        def pull_back(cotangents: Arrays) -> dict[str, np.ndarray]:
            cotangent = cotangents.get(self.spec.name, np.zeros(array.shape))
            return {self.variables: back(cotangent.reshape(x.shape)).reshape(array.shape)}

        return {self.spec.name: noise.reshape(array.shape)}, pull_back

    def inverse(self, noise: np.ndarray) -> np.ndarray:
        """Variables (batch, *spec.shape) that give the `noise` of this shape; only its direction counts.

        Raises:
            ContractError: The noise does not match the spec, is zero, or lies outside the trust region.
        """
        array = check({self.spec.name: noise}, (self.spec,), "noise")[self.spec.name]
        z = _anywhere(_rows(array))[0]
        if self.angle is None:
            return z.reshape(array.shape)
        centre = self._centre_of(z)
        along = _dot(z, centre)
        length, direction = _polar(z - along * centre)
        s = np.arctan2(length, along)
        if (s >= self.angle).any():
            raise ContractError(
                f"OnSphere: expected noise within {self.angle:g} rad of the centre, got {s.max():g} rad"
            )
        return (np.sqrt(z.shape[1]) * self.angle * np.arctanh(s / self.angle) * direction).reshape(array.shape)

    @cached_property
    def _centre(self) -> np.ndarray:
        """Directions (1, size) or (batch, size) of length 1, none without a centre."""
        if self.centre is None:
            return np.empty((0, 0))
        centre = np.asarray(self.centre)
        centre = centre[None] if centre.shape == self.spec.shape else centre
        return _on_unit_sphere(_rows(check({self.spec.name: centre}, (self.spec,), "centre")[self.spec.name]))[1]

    def _centre_of(self, x: np.ndarray) -> np.ndarray:
        if len(self._centre) not in (1, len(x)):
            raise ContractError(
                f"OnSphere.centre: expected one centre, or one for each of {len(x)} samples, got {len(self._centre)}"
            )
        return self._centre


type _Mapped = tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]


def _rows(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), -1).astype(np.float64)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner products (batch, 1)."""
    return (a * b).sum(axis=1, keepdims=True)


def _polar(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths (batch, 1) and directions (batch, size); the direction of 0 is 0."""
    length = np.sqrt(_dot(v, v))
    return length, np.divide(v, length, where=length > 0, out=np.zeros_like(v))


def _on_unit_sphere(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length, direction = _polar(x)
    if not length.all():
        raise ContractError(
            f"OnSphere: expected arrays that are not zero, sample {int(length.argmin())} has no direction"
        )
    return length, direction


def _anywhere(x: np.ndarray) -> _Mapped:
    """Noise (batch, size) in the direction of x, and its transposed derivative."""
    length, direction = _on_unit_sphere(x)
    radius = np.sqrt(x.shape[1])
    return radius * direction, lambda g: radius / length * (g - direction * _dot(direction, g))


def _around(x: np.ndarray, centre: np.ndarray, angle: float) -> _Mapped:
    """Noise (batch, size) within the angle of the centre, and its transposed derivative."""
    radius = np.sqrt(x.shape[1])
    length, direction = _polar(x - centre * _dot(centre, x))
    t = length / radius
    squash = np.tanh(t / angle)
    s = angle * squash
    ratio = np.divide(np.sin(s), t, where=t > 0, out=np.ones_like(t))

    def back(g: np.ndarray) -> np.ndarray:
        along, across = _dot(direction, g), _dot(centre, g)
        slope = (1 - squash**2) * (np.cos(s) * along - np.sin(s) * across)
        tangent = slope * direction + ratio * (g - direction * along)
        return tangent - centre * _dot(centre, tangent)

    return radius * (np.cos(s) * centre + np.sin(s) * direction), back
