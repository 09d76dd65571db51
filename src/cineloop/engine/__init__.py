"""Where work runs. `map(fn, jobs, resources)` is the whole port; `Inline` runs it in this process."""

from cineloop.engine.inline import Inline
from cineloop.engine.port import Engine, Resources
from cineloop.engine.progress import Progress, silent

__all__ = ["Engine", "Inline", "Progress", "Resources", "silent"]
