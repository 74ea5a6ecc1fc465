"""The page: what the browser shows, and what its clicks ask of the explorer."""

import asyncio
import functools
import logging
from collections.abc import Callable
from importlib import resources

from genmech_fem.errors import GenmechError, MissingExtraError, one_line
from genmech_fem.explorer.asking import Asking
from genmech_fem.explorer.desk import Desk
from genmech_fem.explorer.explorer import Explorer
from genmech_fem.explorer.verifying import Verifying
from genmech_fem.explorer.walking import Walking

try:
    from trame.app import get_server
    from trame.ui.html import DivLayout
    from trame.widgets import client
    from trame_vtk.modules import common as vtk_js
except ImportError as missing:
    raise MissingExtraError("trame", "explorer") from missing

TITLE = "genmech explorer"
TICK = 0.1  # time between two looks at what runs in the background [s]

_log = logging.getLogger(__name__)


class Page:
    """The thin layer between a browser and an explorer.

    Args:
        explorer: What does the work.
        name: Of the trame server; each page of a process needs its own.
    """

    def __init__(self, explorer: Explorer, name: str = TITLE) -> None:
        self.server = get_server(name, client_type="vue3")
        self.server.enable_module(vtk_js)
        self._state, self._desk = self.server.state, Desk(explorer, self.server.state)
        settings = explorer.source.solver(1)
        self._state.update(
            {
                "trame__title": TITLE,
                "message": "",
                "run": str(explorer.source.folder),
                "facts": f"{len(explorer.training['phase'])} training cells of {settings.resolution} x "
                f"{settings.resolution} pixels; E = {settings.matrix.youngs_modulus:g} and "
                f"{settings.inclusion.youngs_modulus:g} GPa",
            }
        )
        self._walking = Walking(self._desk)
        self._asking = Asking(self._desk, self._walking.place, self._walking.mark)
        self._verifying = Verifying(self._desk, self._walking.mark)
        for click in (*self._walking.clicks, *self._asking.clicks, *self._verifying.clicks):
            self.server.trigger(click.__name__)(self._guarded(click))
        self._lay_out()

    async def live(self) -> None:
        """Keep the page up to date until this is cancelled."""
        while True:
            try:
                await self._walking.follow()
                with self._state:
                    self._asking.refresh()
                    self._verifying.refresh()
            except Exception as error:
                self._complain(error)
            await asyncio.sleep(TICK)

    def _lay_out(self) -> None:
        web = resources.files("genmech_fem.explorer") / "web"
        with DivLayout(self.server) as layout:
            client.Style((web / "page.css").read_text())
            layout.root.add_child((web / "page.html").read_text())

    def _guarded(self, click: Callable[..., None]) -> Callable[..., None]:
        """A click whose errors the page shows."""

        @functools.wraps(click)
        def guarded(*args: object) -> None:
            self._state.message = ""
            try:
                click(*args)
            except Exception as error:
                self._complain(error)

        return guarded

    def _complain(self, error: Exception) -> None:
        if not isinstance(error, GenmechError | ValueError | OSError):
            _log.exception("the explorer failed", exc_info=error)
        with self._state:
            self._state.message = one_line(error)
