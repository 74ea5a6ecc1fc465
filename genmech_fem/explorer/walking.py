"""The first part of the page: the map of the training cells, and the walk between two."""

import asyncio

import numpy as np

from genmech_fem.explorer import views
from genmech_fem.explorer.atlas import Atlas
from genmech_fem.explorer.cells import Cell
from genmech_fem.explorer.desk import Desk
from genmech_fem.explorer.pictures import VIRIDIS


class Walking:
    """The map and the walk.

    Args:
        desk: What the parts share.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._moved = desk, True
        explorer = desk.explorer
        self._pair = list(explorer.ends)
        desk.state.update(
            map_names=list(explorer.atlases),
            map_name=next(iter(explorer.atlases)),
            colours=list(explorer.properties),
            colour=next(iter(explorer.properties)),
            gradient=f"linear-gradient(to right, {', '.join(VIRIDIS)})",
            share=0.5,
            asked=0.5,
            together=True,
            walk=None,
            goal=None,
            proof=None,
        )
        desk.state.change("share", "asked")(self.move)
        desk.state.change("map_name", "colour")(self.draw)
        self.draw()
        self.clicks = (self.pick,)

    def pick(self, number: int) -> None:
        """Take a training cell for the end of the walk that was chosen longer ago."""
        self._pair = [self._pair[1], int(number)]
        self.draw()
        self._moved = True

    def move(self, **_: object) -> None:
        """Note that the walk is elsewhere."""
        self._moved = True

    async def follow(self) -> None:
        """Decode the cell of the walk if that has moved, beside the page."""
        if not self._moved:
            return
        self._moved = False
        state = self._desk.state
        (first, second), walk = self._pair, self._desk.explorer.walk
        cell = await asyncio.to_thread(walk, first, second, float(state.share), float(state.asked))
        remarks = self._desk.explorer.remarks(cell)
        with state:
            self._desk.walked = cell
            state.walk = {**views.shown(cell, remarks), **self.place(cell)}

    def draw(self, **_: object) -> None:
        """Draw the training cells and all that is marked among them."""
        state, explorer = self._desk.state, self._desk.explorer
        values, atlas = explorer.properties[state.colour], self._atlas
        state.points = points = views.map_points(atlas, values)
        state.ends = {name: points[i] for name, i in zip("AB", self._pair, strict=True)}
        axes = " and ".join(f"{100 * share:.0f} %" for share in atlas.shares)
        state.legend = {
            "low": f"{state.colour}: {values.min():.3g}",
            "high": f"{values.max():.3g}",
            "axes": f"Principal axes of {len(values)} training cells, {axes} of the variance.",
        }
        if self._desk.walked is not None:
            state.walk = {**state.walk, **self.place(self._desk.walked)}
        self.mark()

    def mark(self) -> None:
        """Mark the target, which has a place by stiffness alone, and the verified cell."""
        state, explorer, found = self._desk.state, self._desk.explorer, self._desk.explorer.comparison
        wanted = views.place(self._atlas, np.zeros_like(explorer.training["phase"][0]), explorer.target)
        state.goal = wanted if state.map_name == "stiffness" else None
        state.proof = found and views.place(self._atlas, found.solved.cell.phase, found.solved.stiffness)

    def place(self, cell: Cell) -> dict[str, float]:
        """Where a cell lies by its prediction."""
        return views.place(self._atlas, cell.phase, cell.predicted["stiffness"])

    @property
    def _atlas(self) -> Atlas:
        return self._desk.explorer.atlases[self._desk.state.map_name]
