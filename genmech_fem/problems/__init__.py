"""DOLFINx problems with a discrete adjoint.

The DOLFINx wheel from PyPI has to be imported under its own name first, so import
this room before `dolfinx` itself.
"""

import contextlib

from genmech_fem.errors import MissingExtraError

with contextlib.suppress(ImportError):
    import dolfinx_solver  # noqa: F401

try:
    import dolfinx  # noqa: F401
except ImportError as error:
    raise MissingExtraError("dolfinx", "fem") from error
