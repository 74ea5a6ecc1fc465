"""The one mask of fields on points whose number varies between samples."""

import numpy as np

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec


def mask_name(specs: tuple[Spec, ...]) -> str | None:
    """Name of the mask of the first field that varies in size between samples, which stands for all of them."""
    return next((f"{s.name}.mask" for s in specs if -1 in s.shape), None)


def one_mask(arrays: Arrays, specs: tuple[Spec, ...]) -> np.ndarray:
    """The mask (batch, points) that all fields of varying size share.

    Raises:
        ContractError: Their masks differ.
    """
    names = [f"{spec.name}.mask" for spec in specs if -1 in spec.shape]
    first = arrays[names[0]]
    differing = [name for name in names if not np.array_equal(arrays[name], first)]
    if differing:
        raise ContractError(f"expected one mask for all fields, '{names[0]}' and {differing} differ")
    return first
