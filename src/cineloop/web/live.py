"""What a worker serves from: the studio, and the shelf of the live run, swapped when another run goes live.

A request takes the shelf once and keeps it, so that a swap fails nobody: the next request gets the new one.
"""

from __future__ import annotations

import gc
import logging
import threading

from cineloop.errors import InputError
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import unaudited
from cineloop.play.shelf import HOME, Shelf, shelf
from cineloop.studio import Studio
from cineloop.web.search import Names
from cineloop.web.settings import Settings

log = logging.getLogger("cineloop.web")


class Live:
    """The live state of one worker. `start` looks for changes in the background until `stop`."""

    def __init__(self, settings: Settings, studio: Studio | None = None) -> None:
        self.settings = settings
        self.studio = studio or Studio(
            settings.workspace,
            registry=settings.registry,
            records=settings.records,
            events=settings.events,
        )
        self.swaps = 0
        self._state: tuple[tuple[str, str], Shelf, Names] | None = None
        self._swapping = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a shelf to answer from."""
        return self._state is not None

    def shelf(self) -> Shelf:
        """The shelf of now; InputError where nothing has been promoted yet."""
        if self._state is None:
            self.look()
        if self._state is None:
            raise InputError(
                "nothing has been promoted yet", field=HOME, accepted="cineloop promote play/home"
            )
        return self._state[1]

    def names(self) -> Names:
        """The index of names that search looks into, of the same titles as the shelf's."""
        self.shelf()
        assert self._state is not None
        return self._state[2]

    def look(self) -> bool:
        """Swap if another run is live or the data has grown; True where it did."""
        with self._swapping:
            run, head = self.studio.lab.live(HOME), self.studio.store.head_id()
            if run is None or (self._state is not None and self._state[0] == (run.id, head)):
                return False
            made = shelf(self.studio)
            for _ in range(2):  # a first answer compiles and maps: no member shall wait for that
                unaudited(made, HomeRequest(profile="nobody"))
            self._state = ((run.id, head), made, Names.of(made))
            self.swaps += 1
            _settle()
            log.info("swap", extra={"run": run.id})
            return True

    def start(self) -> None:
        """Look now, then every `look_every` seconds."""
        self._thread = threading.Thread(target=self._watch, name="look-for-runs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End looking, and commit what was handed in."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
        self.studio.close()

    def _watch(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # a look that fails must not end the looking: the worker serves what it has
                log.exception("look failed")
            if self._stop.wait(self.settings.look_every):
                return


def _settle() -> None:
    """Take what a shelf holds out of the collector's sight: looking through it stops a page for a tenth of a second."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
