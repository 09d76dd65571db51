"""Logs of a service, read through a mapping file: the examples, conversions by hand, and mistakes in mappings."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store.sources import coerce
from cineloop.store.sources.mapped import Mapped
from cineloop.store.sources.source import LINE, Reject

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "mappings"
ONE_MILLION = ROOT.parent / "shared" / "data" / "plays" / "ml-1m" / "ratings_reconstructed.parquet"

PLAYS = 'name = "acme"\ntable = "plays"\n[columns]\nprofile = "who"\ntitle = "what"\n'
WATCH = '[constants]\nkind = "watch"\nknown_at = 2020-01-01\n'


def read(mapping: Path, path: Path) -> tuple[pl.DataFrame, list[Reject]]:
    batches = list(Mapped.of(mapping, path).read())
    return pl.concat(b.rows for b in batches), [r for b in batches for r in b.rejects]


def mapped(
    tmp_path: Path, mapping: str, log: str, name: str = "log.csv"
) -> tuple[pl.DataFrame, list[Reject]]:
    (tmp_path / "map.toml").write_text(mapping)
    (tmp_path / name).write_text(log)
    return read(tmp_path / "map.toml", tmp_path / name)


def refused(tmp_path: Path, mapping: str, log: str = "who,what\nv,t\n") -> str:
    with pytest.raises(InputError) as caught:
        mapped(tmp_path, mapping, log)
    return str(caught.value)


def test_the_example_for_plays(tmp_path: Path) -> None:
    head = "viewer,household,session,show,episode,event,started,watched_ms,asset_minutes,device,country\n"
    rows = [
        "v81,h40,s9,series-12,ep-12-3,WATCHED,2025-02-11 20:31:07,2511000,44.0,tv,FR",
        "v81,h40,s9,series-12,ep-12-4,HEARTBEAT,not a time,oops,44.0,tv,FR",
        "v82,h40,s9,film-1,film-1,TRAILER,2025-07-31T20:31:07.25+02:30,30000,,phone,??",
        "v83,h41,s9,film-1,film-1,LEFT,2025-07-31 20:31:07,30000,90,tv,DE",
        "v83,h41,s9,film-1,film-1,WATCHED,2025-07-31 20:31:07,-1,90,tv,DE",
        "v83,h41,s9,film-1,film-1,WATCHED,2025-03-30 02:30:00,1,90,tv,DE",
        "v83,h41,s9,,film-1,WATCHED,2025-07-31 20:31:07,1,90,tv,DE",
    ]
    (tmp_path / "log.csv").write_text(head + "\n".join(rows) + "\n")
    made, rejects = read(EXAMPLES / "plays.toml", tmp_path / "log.csv")
    assert made["account"].to_list() == ["acme:h40", "acme:h40"]
    assert made["profile"].to_list() == ["acme:v81", "acme:v82"]
    assert made["playable"].to_list() == ["acme:ep-12-3", "acme:film-1"]
    assert made["session"].to_list() == ["s9", "s9"]
    assert made["kind"].to_list() == ["watch", "trailer"]
    assert made["seconds"].to_list() == [2511.0, 30.0]
    # Paris is an hour ahead of UTC in February; the second time carries its own zone
    assert made["happened_at"].to_list() == [
        datetime(2025, 2, 11, 19, 31, 7, tzinfo=UTC),
        datetime(2025, 7, 31, 18, 1, 7, 250_000, tzinfo=UTC),
    ]
    assert made["known_at"].equals(made["happened_at"], check_names=False)
    assert made["completion"].to_list() == [2511 / 2640, None]
    assert made["confidence"].to_list() == [1.0, None]
    assert made["territory"].to_list() == ["FR", None]
    assert made[LINE].to_list() == [2, 4]
    # an unknown kind, seconds below zero, an hour that the clocks skip, no title
    told = [(r.line, r.field, r.value) for r in rejects]
    assert told == [
        (5, "event", "LEFT"),
        (6, "watched_ms", "-1"),
        (7, "started", "2025-03-30 02:30:00"),
        (8, "show", None),
    ]


def test_the_example_for_impressions(tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "member": ["a", "b", "c", None],
            "page_id": ["p1", "p2", "p3", "p4"],
            "variant": ["A", None, "B", "B"],
            "row_name": ["top", "new", "new", "new"],
            "shown": [["t1", "t2"], ["t3"], [], ["t1"]],
            "slots": [[0, 1], [0, 1], [], [0]],
            "probabilities": [[0.5, None], [0.2], [], [1.0]],
            "ts_ms": [1_700_000_000_123] * 4,
        }
    ).write_parquet(tmp_path / "log.parquet")
    made, rejects = read(EXAMPLES / "impressions.toml", tmp_path / "log.parquet")
    assert made.select("profile", "account", "titles", "positions", "propensities", "surface").rows() == [
        ("acme:a", "acme:a", ["acme:t1", "acme:t2"], [0, 1], [0.5, None], "home")
    ]
    assert made["happened_at"].item() == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert [(r.line, r.field) for r in rejects] == [(2, "slots"), (3, "shown"), (4, "member")]


def test_one_million_ratings_through_the_example() -> None:
    """Counts and histogram of the published MovieLens 1M."""
    if not ONE_MILLION.exists():
        pytest.skip("ratings_reconstructed.parquet is not beside this checkout (shared/data/plays/ml-1m)")
    made, rejects = read(EXAMPLES / "ml-1m-rebuilt.toml", ONE_MILLION)
    assert (made.height, made["profile"].n_unique(), made["title"].n_unique()) == (1_000_209, 6040, 3706)
    counts = dict(made["value"].value_counts().iter_rows())
    assert counts == {1.0: 56174, 2.0: 107557, 3.0: 261197, 4.0: 348971, 5.0: 226310}
    assert (rejects, made["seq"].null_count(), "happened_at" in made.columns) == ([], 598, False)
    assert made["known_at"].unique().to_list() == [datetime(2003, 3, 1, tzinfo=UTC)]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_every_example_is_plain_json_in_the_settings(file: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    source = Mapped.of(file, tmp_path / "x.csv")
    told = json.loads(json.dumps(source.settings()))
    assert told["mapping"]["name"] == source.name
    assert str(tmp_path) not in json.dumps(told) and "licence" not in told["mapping"]


def test_confidence_is_the_highest_step_reached(tmp_path: Path) -> None:
    steps = '[confidence]\n"0.5" = 0.6\n"0.1" = 0.2\n"1" = 1.0\n'
    mapping = PLAYS + 'completion = { column = "done", scale = 0.01 }\n' + WATCH + steps
    made, rejects = mapped(
        tmp_path, mapping, "who,what,done\n" + "".join(f"v,t,{n}\n" for n in (0, 10, 49.9, 50, 100, ""))
    )
    assert made["confidence"].to_list() == [0.0, 0.2, 0.2, 0.6, 1.0, None]
    assert rejects == []


def test_completion_is_at_most_one_and_unknown_without_a_runtime(tmp_path: Path) -> None:
    mapping = PLAYS + 'seconds = "s"\n' + WATCH + '[completion]\nruntime = "r"\n'
    log = "who,what,s,r\nv,t,50,100\nv,t,150,100\nv,t,50,0\nv,t,50,\nv,t,50,long\nv,t,,100\n"
    made, rejects = mapped(tmp_path, mapping, log)
    assert made["completion"].to_list() == [0.5, 1.0, None, None, None]
    assert [(r.line, r.field, r.value) for r in rejects] == [(6, "r", "long")]


def test_ids_keep_their_text_and_may_carry_their_source(tmp_path: Path) -> None:
    mapping = PLAYS.replace('"what"', '{ column = "what", prefix = false }') + WATCH
    made, _ = mapped(tmp_path, mapping, "who,what\n007,imdb:tt0133093\n7,x:1\n")
    assert made["profile"].to_list() == ["acme:007", "acme:7"]
    assert made["title"].to_list() == ["imdb:tt0133093", "x:1"]


def test_lists_in_text_titles_of_a_catalogue_and_tabs(tmp_path: Path) -> None:
    mapping = (
        'name = "acme"\ntable = "titles"\n[columns]\ntitle = "id"\nname = "name"\nyear = "year"\n'
        'genres = { column = "genres", separator = "|" }\n'
        '[constants]\nkind = "film"\nknown_at = 2020-01-01T06:00:00+02:00\n'
    )
    log = "id\tname\tyear\tgenres\n1\tAlien\t1979\tHorror|Sci-Fi\n2\tDune\t2021.5\t\n3\tUp\t\tA||B\n"
    made, rejects = mapped(tmp_path, mapping, log, "log.tsv")
    assert made["genres"].to_list() == [["Horror", "Sci-Fi"]]
    assert made["year"].to_list() == [1979]
    assert made["known_at"].item() == datetime(2020, 1, 1, 4, tzinfo=UTC)
    assert [(r.line, r.field) for r in rejects] == [(3, "year"), (4, "genres")]


def test_a_folder_is_read_in_the_order_of_names_and_a_log_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        PLAYS + WATCH + '[file]\nseparator = ";"\nnames = ["who", "skip", "what"]\n'
    )
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "2.csv").write_text("b;x;t\n")
    (logs / "1.csv").write_text("a;x;t\n")
    (logs / "notes.txt").write_text("not read")
    source = Mapped.of(tmp_path / "map.toml", logs)
    batches = list(source.read())
    assert [b.rows["profile"].item() for b in batches] == ["acme:a", "acme:b"]
    assert batches[-1].done == source.total == 12
    (logs / "3.parquet").touch()
    with pytest.raises(InputError, match="several formats"):
        Mapped.of(tmp_path / "map.toml", logs)
    with pytest.raises(InputError, match="no such file"):
        Mapped.of(tmp_path / "map.toml", tmp_path / "absent")


def test_parquet_types_that_fit_and_that_do_not(tmp_path: Path) -> None:
    times = 'happened_at = { column = "at", timezone = "Asia/Tokyo" }\n'
    (tmp_path / "map.toml").write_text(PLAYS + times + '[constants]\nkind = "watch"\n')
    frame = pl.DataFrame({"who": [1, 2], "what": ["t", "u"], "at": [datetime(2020, 1, 1, 9), None]})
    frame = frame.with_columns(pl.col("what").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "log.parquet")
    made, rejects = read(tmp_path / "map.toml", tmp_path / "log.parquet")
    assert made.row(0)[:3] == ("acme:1", "acme:t", datetime(2020, 1, 1, tzinfo=UTC))
    assert [(r.line, r.field, r.what) for r in rejects] == [(2, "at", "missing")]
    frame.with_columns(pl.col("who").cast(pl.Float64)).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=r"log.parquet: who 'Float64': cannot become text"):
        read(tmp_path / "map.toml", tmp_path / "log.parquet")
    frame.with_columns(pl.struct("what").alias("what")).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "map.toml", tmp_path / "log.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[columns]", "[colums]"), "map.toml:3: colums: unknown key; accepted: name, table"),
        (('"plays"', '"pays"'), "map.toml:2: table 'pays'"),
        (("title =", "titel ="), "map.toml:5: columns.titel: no column of plays; accepted: account, profile"),
        (
            ('"what"', '{ column = "what", tim = "s" }'),
            "map.toml:5: columns.title.tim 's': unknown key; accepted: column",
        ),
        (
            ('"what"', '{ column = "what", time = "s" }'),
            "map.toml:5: columns.title: time and timezone are for",
        ),
        (
            ('"watch"', '"wach"'),
            "map.toml:7: constants.kind 'wach': no kind of plays; accepted: watch, trailer",
        ),
        (
            ("2020-01-01", '"soon"'),
            "map.toml:8: constants.known_at 'soon': no value of this column; accepted: a date",
        ),
        (("known_at = 2020-01-01", ""), "columns.known_at: plays needs this column"),
        (('"acme"', '"ac:me"'), "map.toml:1: name 'ac:me': not accepted"),
        (('"acme"', '"acme'), "map.toml:1: not TOML"),
        (('profile = "who"\n', ""), "columns.account: plays needs this column"),
        (("[constants]", '[kinds]\nw = "watch"\n[constants]'), "kinds without a column"),
        (("[constants]", '[confidence]\n"0.5" = 1\n[constants]'), "confidence needs a completion"),
        (("[constants]", '[file]\nformat = "xls"\n[constants]'), "map.toml:7: file.format 'xls'"),
        (('"what"', '"where"'), "log.csv:1: where: the column is not in the file; accepted: who, what"),
    ],
)
def test_mistakes_in_a_mapping_are_told_with_line_key_and_what_is_accepted(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    told = refused(tmp_path, (PLAYS + WATCH).replace(*change))
    assert said in told and "\n" not in told


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2024-02-29T12:00:00Z", None, datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("2024-02-29 12:00", "UTC", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("2024-02-29", "America/New_York", datetime(2024, 2, 29, 5, tzinfo=UTC)),
        ("2024-02-29T12:00:00.123456789-03", None, datetime(2024, 2, 29, 15, 0, 0, 123_456, tzinfo=UTC)),
        (
            "2024-11-03 01:30",
            "America/New_York",
            datetime(2024, 11, 3, 5, 30, tzinfo=UTC),
        ),  # the first of two
        ("2024-03-10 02:30", "America/New_York", None),  # skipped by the clocks
        ("2023-02-29T12:00:00Z", None, None),
        ("2024-02-29T12:00:00", None, None),  # no zone
        ("2024-02-29T25:00:00Z", None, None),
        ("2024-02-29T12:00:00+2500", None, None),
        ("1492-02-29T12:00:00Z", None, None),
        ("yesterday", "UTC", None),
    ],
)
def test_iso_times(text: str, zone: str | None, expected: datetime | None) -> None:
    made = coerce.time(pl.Series([text, None]), "iso", zone)
    assert made.values.to_list() == [expected, None]
    assert made.broken.to_list() == [expected is None, False]


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(
        min_value=datetime(1971, 1, 1), max_value=datetime(2037, 12, 31)
    ),  # no zone's rules are in doubt
    st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata", "America/St_Johns"]),
)
def test_times_are_those_of_the_standard_library(moment: datetime, zone: str) -> None:
    """Independent: zoneinfo's reading of the same local time, where that hour exists once."""
    local = moment.replace(tzinfo=ZoneInfo(zone))
    expected = local.astimezone(UTC)
    if expected.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != moment:
        return  # skipped by the clocks
    naive = coerce.time(pl.Series([moment.isoformat()]), "iso", zone)
    if local.utcoffset() is not None and local.utcoffset().total_seconds() % 60 == 0:  # type: ignore[union-attr]
        own = coerce.time(pl.Series([local.isoformat()]), "iso", None)
        assert own.values.item() == expected
    if local.replace(fold=1).utcoffset() == local.utcoffset():
        assert naive.values.item() == expected


def test_epochs_in_their_units() -> None:
    at = datetime(2001, 9, 9, 1, 46, 40, 500_000, tzinfo=UTC)  # 1,000,000,000.5 s
    for unit, text in (("s", "1000000000.5"), ("ms", "1000000000500"), ("us", "1000000000500000")):
        assert coerce.time(pl.Series([text]), unit, None).values.item() == at
    wrong = coerce.time(pl.Series(["1000000000500000", "inf", "x"]), "s", None)
    assert wrong.broken.to_list() == [True, True, True]


def test_numbers_and_whole_numbers() -> None:
    raw = pl.Series(["1", " 2.5", "inf", "nan", "x", None])
    assert coerce.number(raw, 2.0).values.to_list() == [2.0, 5.0, None, None, None, None]
    assert coerce.number(raw, most=2.0, least=0.0).broken.to_list() == [False, True, True, True, True, False]
    assert coerce.whole(pl.Series([3.0, 3.5, None]), pl.Int32).broken.to_list() == [False, True, False]
    assert coerce.whole(pl.Series(["2147483648"]), pl.Int32).broken.item()
    assert coerce.constant(date(2020, 1, 1), pl.Datetime("us", "UTC")) == datetime(2020, 1, 1, tzinfo=UTC)
    assert coerce.constant(datetime(2020, 1, 1), pl.Datetime("us", "UTC")) is None
