"""What stands on a title's page: sections, each from a provider. Other wings add theirs with `provide`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from cineloop.play.shelf import Shelf
from cineloop.studio import Studio


@dataclass(frozen=True)
class TitleSection:
    """A part of a title's page: its anchor, its heading, and its body as HTML that its maker has escaped."""

    anchor: str
    heading: str
    body: Markup


Provider = Callable[[Studio, Shelf, str], TitleSection | None]
_PROVIDERS: list[Provider] = []


def provide(provider: Provider) -> Provider:
    """Add a section to every title's page, below those there are; a provider returns None where it has nothing.

    Its third argument is the title's id. Fit for use as a decorator.
    """
    if provider not in _PROVIDERS:
        _PROVIDERS.append(provider)
    return provider


def sections(studio: Studio, shelf: Shelf, title: str) -> list[TitleSection]:
    """The sections that have something to say of a title, in the order in which they were added."""
    found = (provider(studio, shelf, title) for provider in _PROVIDERS)
    return [section for section in found if section is not None]
