"""The tables of record: the one definition, in Arrow types, with units in the field docs.

Every table ends in the same four columns, which carry its time:

- `happened_at`: when it happened (UTC); null in logs that only have an order, which `seq` then keeps.
- `known_at`: when the decision maker could have known it. An as-of read sees `known_at <= as_of`.
- `supersedes`: the id of the row (`hashing.row_ids`, 32 hex digits) that this one corrects, else null.

When a row was ingested stands in the manifest alone, outside every hash.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


def _field(name: str, kind: pa.DataType, doc: str, *, required: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=not required, metadata={"doc": doc})


_TIME = (
    _field("happened_at", TIMESTAMP, "when it happened; null where the log only has an order"),
    _field("seq", pa.int64(), "the order within the member's log, for logs without a clock"),
    _field("known_at", TIMESTAMP, "when the decision maker could have known it", required=True),
    _field("supersedes", pa.string(), "id of the row that this one corrects, 32 hex digits"),
)

_WHO = (
    _field("account", pa.string(), "who pays, `source:id`; what an erasure names", required=True),
    _field(
        "profile", pa.string(), "who watches, `source:id`; the account where there is but one", required=True
    ),
)

FEEDBACK_KINDS = ("rating", "like", "dislike", "list-add", "list-remove")
PLAY_KINDS = ("watch", "trailer", "preview", "live")
EDITORIAL_KINDS = ("pin", "boost", "block", "row", "withdraw")
CHANNELS = ("theatrical", "pvod", "tvod", "est", "svod", "avod", "free-tv")
TITLE_KINDS = ("film", "series", "season", "episode", "game", "live")
CREDIT_ROLES = ("director", "writer", "cast", "composer", "producer", "cinematographer", "editor", "creator")
PRODUCTION_ROLES = ("production", "distribution")
GROSS_PERIODS = ("day", "weekend", "week", "opening", "total")

_MARKET = "ISO 3166-1 alpha-2; `domestic`: US and Canada; `international`: all else; null: the world"


@dataclass(frozen=True)
class Table:
    """One table of record: its columns and the column that decides a row's bucket (None: one bucket)."""

    name: str
    schema: pa.Schema
    member: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in their order."""
        return tuple(self.schema.names)

    def doc(self, column: str) -> str:
        """What a column holds, with its unit."""
        return str((self.schema.field(column).metadata or {}).get(b"doc", b"").decode())


def _table(name: str, *fields: pa.Field, member: str | None = None) -> Table:
    return Table(name, pa.schema([*fields, *_TIME]), member)


PLAYS = _table(
    "plays",
    *_WHO,
    _field("session", pa.string(), "the sitting it belongs to"),
    _field("title", pa.string(), "the film or series as recommended, `source:id`", required=True),
    _field("playable", pa.string(), "what ran: the episode of a series; the title itself for a film"),
    _field("kind", pa.string(), f"one of {', '.join(PLAY_KINDS)}", required=True),
    _field("seconds", pa.float64(), "seconds watched"),
    _field("completion", pa.float64(), "share of the playable watched, 0 to 1"),
    _field(
        "confidence",
        pa.float64(),
        "how surely it was liked, as the source's mapping says; null: the recipe's",
    ),
    _field("device", pa.string(), "kind of device"),
    _field("territory", pa.string(), "ISO 3166-1 alpha-2"),
    member="account",
)

FEEDBACK = _table(
    "feedback",
    *_WHO,
    _field("title", pa.string(), "the title judged, `source:id`", required=True),
    _field("kind", pa.string(), f"one of {', '.join(FEEDBACK_KINDS)}", required=True),
    _field("value", pa.float64(), "the rating in the source's own stars; null for other kinds"),
    member="account",
)

IMPRESSIONS = _table(
    "impressions",
    *_WHO,
    _field("session", pa.string(), "the sitting it belongs to"),
    _field("decision", pa.string(), "id of the Decision that made the page"),
    _field("arm", pa.string(), "the experiment's arm"),
    _field("surface", pa.string(), "where it was shown: home, search, email"),
    _field("row", pa.string(), "the row's name on the page"),
    _field("titles", pa.list_(pa.string()), "titles displayed, left to right", required=True),
    _field("positions", pa.list_(pa.int32()), "position of each title in the row, from 0"),
    _field("propensities", pa.list_(pa.float64()), "probability of each title at its place, 0 to 1"),
    _field("device", pa.string(), "kind of device"),
    _field("territory", pa.string(), "ISO 3166-1 alpha-2"),
    member="account",
)

TITLES = _table(
    "titles",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("kind", pa.string(), f"one of {', '.join(TITLE_KINDS)}", required=True),
    _field("parent", pa.string(), "the season of an episode, the series of a season"),
    _field("number", pa.int32(), "place within the parent, from 1"),
    _field("name", pa.string(), "as shown to members", required=True),
    _field("year", pa.int32(), "year of first release"),
    _field("genres", pa.list_(pa.string()), "genres in the source's words"),
    _field("minimum_age", pa.int32(), "youngest age the certificate admits, years"),
    _field("certificate", pa.string(), "the certificate itself"),
    _field("language", pa.string(), "original language, ISO 639-1"),
    _field("runtime", pa.float64(), "minutes"),
    _field("original_name", pa.string(), "the name in its own language, where it is another"),
    _field("overview", pa.string(), "what it is about, as written before its release"),
    _field("country", pa.string(), "first country of origin, in the source's words"),
    _field("released", TIMESTAMP, "day of first release, its midnight in UTC"),
    _field("budget", pa.float64(), "cost of production in US dollars of the time"),
)

NAMES = _table(
    "names",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("name", pa.string(), "another name it goes by", required=True),
    _field("territory", pa.string(), "where, ISO 3166-1 alpha-2; null: anywhere"),
    _field("language", pa.string(), "in which language, ISO 639-1 or as the source says"),
)

PEOPLE = _table(
    "people",
    _field("person", pa.string(), "`source:id`; the name where the source has no ids", required=True),
    _field("name", pa.string(), "as credited", required=True),
)

CREDITS = _table(
    "credits",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("person", pa.string(), "`source:id`", required=True),
    _field("role", pa.string(), f"one of {', '.join(CREDIT_ROLES)}", required=True),
    _field("billing", pa.int32(), "place among those of the role, from 1"),
)

COMPANIES = _table(
    "companies",
    _field("company", pa.string(), "`source:id`; the name where the source has no ids", required=True),
    _field("name", pa.string(), "as it calls itself", required=True),
)

PRODUCTIONS = _table(
    "productions",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("company", pa.string(), "`source:id`", required=True),
    _field("role", pa.string(), f"one of {', '.join(PRODUCTION_ROLES)}", required=True),
    _field("billing", pa.int32(), "place among those of the role, from 1"),
)

ENGAGEMENT = _table(
    "engagement",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("territory", pa.string(), "ISO 3166-1 alpha-2; null: the world"),
    _field("starts_at", TIMESTAMP, "first moment of the period", required=True),
    _field("ends_at", TIMESTAMP, "first moment after the period", required=True),
    _field("hours", pa.float64(), "hours viewed in the period"),
    _field("views", pa.float64(), "hours viewed over the running time, as the source counts"),
    _field("chart", pa.string(), "the list it stands on, where the source is one"),
    _field("rank", pa.int32(), "its place on that list, from 1"),
)

GROSSES = _table(
    "grosses",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("territory", pa.string(), _MARKET),
    _field("period", pa.string(), f"one of {', '.join(GROSS_PERIODS)}", required=True),
    _field("starts_at", TIMESTAMP, "first moment of the period; null: its release"),
    _field("ends_at", TIMESTAMP, "first moment after the period; null: its whole run"),
    _field("gross", pa.float64(), "box office of the period, in `currency` of the time", required=True),
    _field("currency", pa.string(), "ISO 4217", required=True),
    _field("theatres", pa.int32(), "theatres that showed it"),
    _field("previews", pa.float64(), "the part of `gross` that came from previews before the first day"),
)

RELEASES = _table(
    "releases",
    _field("title", pa.string(), "`source:id`", required=True),
    _field("territory", pa.string(), "ISO 3166-1 alpha-2; null: everywhere"),
    _field("channel", pa.string(), f"one of {', '.join(CHANNELS)}", required=True),
    _field("starts_at", TIMESTAMP, "first moment of the window; null: always was"),
    _field("ends_at", TIMESTAMP, "first moment after the window; null: open"),
)

EDITORIAL = _table(
    "editorial",
    _field("id", pa.string(), "the act; of several rows with one id the last known counts", required=True),
    _field("kind", pa.string(), f"one of {', '.join(EDITORIAL_KINDS)}", required=True),
    _field(
        "title", pa.string(), "film or series, `source:id`; null where a kind of row defines the row itself"
    ),
    _field("row", pa.string(), "of a pin: the row it stands in; of a row and its titles: the row's name"),
    _field("heading", pa.string(), "of a row: its heading, as shown to members"),
    _field("position", pa.int32(), "place from 0: of a pin or title in its row, of a row on the page"),
    _field("factor", pa.float64(), "of a boost: by how much, 0.1 to 10; below 1 it lowers"),
    _field("territory", pa.string(), "ISO 3166-1 alpha-2; null: everywhere"),
    _field("starts_at", TIMESTAMP, "first moment it holds; null: always did"),
    _field("ends_at", TIMESTAMP, "first moment it no longer holds; null: open"),
    _field("by", pa.string(), "who did it", required=True),
    _field("note", pa.string(), "why, for colleagues; members never see it"),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        *(PLAYS, FEEDBACK, IMPRESSIONS, TITLES, RELEASES, EDITORIAL),
        *(NAMES, PEOPLE, CREDITS, COMPANIES, PRODUCTIONS, ENGAGEMENT, GROSSES),
    )
}
