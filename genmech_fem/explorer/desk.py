"""What the parts of the page share."""

from dataclasses import dataclass
from typing import Any

from genmech_fem.errors import ContractError
from genmech_fem.explorer.cells import Cell
from genmech_fem.explorer.explorer import Explorer


@dataclass(eq=False)
class Desk:
    """The explorer, the state of the page, and the cells at hand.

    Attributes:
        explorer: What does the work.
        state: What the browser shows, by name.
        walked: The cell of the walk.
        chosen: The cell to verify.
    """

    explorer: Explorer
    state: Any
    walked: Cell | None = None
    chosen: Cell | None = None

    @property
    def ranked(self) -> tuple[tuple[float, Cell], ...]:
        """Candidates with their predicted errors, the best first."""
        return () if self.explorer.search is None else self.explorer.search.ranked

    def cell(self, key: str) -> Cell:
        """The cell of the walk or of the candidates with a key.

        Raises:
            ContractError: It is gone.
        """
        at_hand = [*(cell for cell in (self.walked,) if cell is not None), *(cell for _, cell in self.ranked)]
        for cell in at_hand:
            if cell.key == key:
                return cell
        raise ContractError("this cell is no longer shown: choose another")
