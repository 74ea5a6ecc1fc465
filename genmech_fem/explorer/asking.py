"""The second part of the page: the wanted stiffness, and the candidates for it."""

from collections.abc import Callable, Sequence
from typing import Any

from genmech_fem.errors import ContractError
from genmech_fem.explorer import views
from genmech_fem.explorer.cells import Cell
from genmech_fem.explorer.desk import Desk
from genmech_fem.explorer.pictures import picture
from genmech_fem.explorer.source import ENTRIES

SHOWN = 48  # candidates with a picture


class Asking:
    """The target and the candidates.

    Args:
        desk: What the parts share.
        place: Where a cell lies on the map.
        asked: Called when the target is another.
    """

    def __init__(self, desk: Desk, place: Callable[[Cell], dict[str, float]], asked: Callable[[], None]) -> None:
        self._desk, self._place, self._asked = desk, place, asked
        self._pictures: dict[str, str] = {}
        self._seen: tuple[Any, ...] = ()
        state = desk.state
        state.update(entries=list(ENTRIES), count=64, seed=0, modulus="8", ratio="0.3", candidates=[])
        state.search = {"running": False, "share": 0.0, "text": "", "failure": ""}
        self._want(desk.explorer.target.tolist())
        self.clicks = (self.ask, self.take, self.isotropic, self.generate, self.stop)

    def ask(self, number: int, text: str) -> None:
        """Change one entry of the target, as it is typed."""
        target = list(self._desk.state.target)
        target[int(number)] = text
        self._desk.state.target = target
        self._judge()

    def take(self) -> None:
        """Want what the surrogate says of the cell of the walk."""
        if self._desk.walked is not None:
            self._want(self._desk.walked.predicted["stiffness"].tolist())

    def isotropic(self) -> None:
        """Want an isotropic stiffness."""
        state = self._desk.state
        self._want(self._desk.explorer.isotropic(float(state.modulus), float(state.ratio)))

    def generate(self) -> None:
        """Begin to draw candidates."""
        self._pictures.clear()
        self._desk.explorer.generate(int(self._desk.state.count), int(self._desk.state.seed))

    def stop(self) -> None:
        """Draw no more."""
        self._desk.explorer.stop()

    def refresh(self) -> None:
        """Show what has been drawn meanwhile."""
        search, state = self._desk.explorer.search, self._desk.state
        if search is None:
            return
        seen = search, search.done, search.is_alive(), state.map_name
        if seen == self._seen:
            return
        self._seen, best = seen, search.ranked[:SHOWN]
        for _, cell in best:
            self._pictures.setdefault(cell.key, picture(cell.phase))
        state.candidates = [
            {**row, **self._place(cell)}
            for row, (_, cell) in zip(views.ranked(best, self._pictures), best, strict=True)
        ]
        state.search = {
            "running": search.is_alive(),
            "share": search.done / search.count,
            "text": f"{search.done} of {search.count} drawn",
            "failure": search.failure,
        }

    def _want(self, target: Sequence[float]) -> None:
        self._desk.state.target = [views.number(value) for value in target]
        self._judge()

    def _judge(self) -> None:
        """Say at once whether the bounds allow the target."""
        state = self._desk.state
        try:
            least, most = self._desk.explorer.ask([float(text) for text in state.target])
        except ContractError as error:
            state.feasible = {"text": str(error), "good": False}
        except ValueError:
            state.feasible = {"text": f"expected six numbers {' '.join(ENTRIES)} [GPa]", "good": False}
        else:
            state.feasible = {"text": f"bounds allow it at volume fractions {least:.3f} to {most:.3f}", "good": True}
            self._asked()
