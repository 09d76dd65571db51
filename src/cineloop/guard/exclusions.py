"""Who and what no model may learn from. A `TrainingView` takes one and honours it in every table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Exclusions:
    """Members whose rows no recipe sees, and single titles hidden from a member's history.

    `members` holds accounts or profiles, either excludes; `pairs` holds (profile, title).

    >>> Exclusions().digest() == Exclusions(frozenset()).digest()
    True
    >>> (Exclusions(frozenset({"a"})) | Exclusions(pairs=frozenset({("b", "t")}))).members
    frozenset({'a'})
    """

    members: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, other: Exclusions) -> Exclusions:
        return Exclusions(self.members | other.members, self.pairs | other.pairs)

    def digest(self) -> str:
        """SHA-256 over the sorted content, 64 hex digits: part of a run's name."""
        h = hashlib.sha256()
        for member in sorted(self.members):
            h.update(b"m\0" + member.encode() + b"\0")
        for profile, title in sorted(self.pairs):
            h.update(b"p\0" + profile.encode() + b"\0" + title.encode() + b"\0")
        return h.hexdigest()


NOBODY = Exclusions()
