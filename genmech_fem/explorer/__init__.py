"""The explorer: walk through a latent space, ask for a stiffness, watch candidates, mesh and verify one by a click.

The logic is here without a page; `page` and `server`, which need the extra ``explorer``, are imported where they are
used.
"""

from genmech_fem.explorer.cells import Cell, Remark
from genmech_fem.explorer.comparison import Comparison
from genmech_fem.explorer.explorer import Explorer
from genmech_fem.explorer.solving import Solved
from genmech_fem.explorer.source import CellSource
from genmech_fem.explorer.verification import Progress, Verifier

__all__ = ["Cell", "CellSource", "Comparison", "Explorer", "Progress", "Remark", "Solved", "Verifier"]
