"""The third part of the page: the chosen cell, its mesh and its solution beside the surrogate."""

from collections.abc import Callable

from genmech_fem.explorer import views
from genmech_fem.explorer.comparison import Comparison
from genmech_fem.explorer.desk import Desk
from genmech_fem.explorer.local_fields import LOADS
from genmech_fem.explorer.mesh_view import CAMERA, FIELDS, mesh_view
from genmech_fem.explorer.verification import REFINES


class Verifying:
    """The chosen cell and its solution.

    Args:
        desk: What the parts share.
        solved: Called when a cell has been verified.
    """

    def __init__(self, desk: Desk, solved: Callable[[], None]) -> None:
        self._desk, self._solved = desk, solved
        self._found: Comparison | None = None
        desk.state.update(
            refines=list(REFINES),
            refine=2,
            fields=list(FIELDS),
            field=FIELDS[0],
            loads=list(LOADS),
            load=LOADS[0],
            edges=True,
            deformed=False,
            camera=CAMERA,
            chosen=None,
            result=None,
            strains=[],
            exported=[],
            view={"key": 0, "edge": 0.0, "mesh": None, "low": "", "high": ""},
        )
        desk.state.change("field", "load", "deformed")(self.draw)
        self.refresh()
        self.clicks = (self.choose, self.verify, self.cancel, self.export)

    def choose(self, key: str) -> None:
        """Take the cell of the walk, or a candidate."""
        cell = self._desk.cell(key)
        self._desk.chosen = cell
        self._desk.state.chosen = views.shown(cell, self._desk.explorer.remarks(cell))

    def verify(self) -> None:
        """Begin to mesh and solve it."""
        if self._desk.chosen is not None:
            self._desk.explorer.verify(self._desk.chosen, int(self._desk.state.refine))

    def cancel(self) -> None:
        """Stop that."""
        self._desk.explorer.cancel()

    def export(self) -> None:
        """Write the mesh of the verified cell."""
        folder = self._desk.explorer.source.folder
        self._desk.state.exported = [str(path.relative_to(folder)) for path in self._desk.explorer.export()]

    def refresh(self) -> None:
        """Show how far the solve is, and what it found."""
        self._desk.state.progress = views.told(self._desk.explorer.progress)
        found = self._desk.explorer.comparison
        if found is None or found is self._found:
            return
        self._found = found
        self._desk.state.update(result=views.table(found), exported=[])
        self.draw()
        self._solved()

    def draw(self, **_: object) -> None:
        """Draw the mesh with the wanted field."""
        if self._found is None:
            return
        state, solved = self._desk.state, self._found.solved
        solver = self._desk.explorer.source.solver(solved.refine)
        view = mesh_view(solver, solved, state.field, state.load, deformed=bool(state.deformed))
        state.view = {"key": state.view["key"] + 1, "edge": min(0.5, 0.7 / solved.refine), **view}
        state.strains = views.strain_pictures(self._found, state.load)
