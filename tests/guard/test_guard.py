"""The policy, the audit and the objections, through the studio that alone makes decisions."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cineloop.guard import Denied, Exclusions, MadeBy, Request, Rule, judge
from cineloop.guard.records import Records
from cineloop.studio import Answer, Question, Studio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MADE = (MadeBy(kind="rule", ref="test", part="all of it"),)


def question(
    subject: str, *, profiling: bool = True, objected: bool = False, action: str = "play.home"
) -> Question:
    facts = {"profiling": profiling, "objected": objected}
    return Question(Request(action, subject, facts), as_of=NOW, brief={"row_length": 3})


def never() -> Answer[str]:
    raise AssertionError("an answer was made although the policy denies it")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "studio", create=True)


def test_an_allowed_answer_is_decided_and_audited(studio: Studio) -> None:
    decision = studio.decide(question("m"), lambda: Answer("page", MADE, record={"titles": ["t"]}))
    assert decision.answer == "page" and decision.verdict.allowed
    assert decision.verdict.rules == ("policy:home-for-its-member",)
    (row,) = studio.guard.audit()
    assert row["decision"] == decision.id and row["record"] == {"titles": ["t"]} and row["allowed"]
    assert row["inputs"]["digest"] == decision.inputs.digest


def test_an_objection_denies_before_the_answer_is_made_and_the_refusal_is_audited(studio: Studio) -> None:
    with pytest.raises(Denied, match="gdpr:21-objection.*profiling=off") as refused:
        studio.decide(question("m", objected=True), never)
    (row,) = studio.guard.audit()
    assert row["decision"] == refused.value.decision and not row["allowed"] and row["record"] is None


def test_the_cure_of_the_denial_works(studio: Studio) -> None:
    asked = question("m", profiling=False, objected=True)
    assert studio.decide(asked, lambda: Answer(1, MADE)).verdict.allowed


def test_what_no_rule_allows_is_denied(studio: Studio) -> None:
    with pytest.raises(Denied, match=r"no rule allows release\.plan"):
        studio.decide(question("m", action="release.plan"), never)
    assert not judge(Request("play.home", subject=None), studio.rules).allowed


def test_denial_wins_over_any_number_of_allowing_rules() -> None:
    def rule(id: str, effect: str) -> Rule:
        return Rule(id, id, "test", effect, lambda _: True)  # type: ignore[arg-type]

    verdict = judge(Request("x"), (rule("a", "allow"), rule("b", "deny"), rule("c", "allow")))
    assert not verdict.allowed and verdict.rules == ("b",)


def test_no_member_stands_in_the_audit_by_name_and_forgetting_cuts_the_way_back(studio: Studio) -> None:
    studio.decide(question("somebody@example"), lambda: Answer(1, MADE))
    before = studio.guard.pseudonym("somebody@example")
    assert before == studio.guard.audit()[0]["subject"] == studio.guard.pseudonym("somebody@example")
    assert len(studio.guard.audit(member="somebody@example")) == 1
    assert "somebody" not in str(studio.guard.audit())
    assert studio.guard.forget("somebody@example")
    assert studio.guard.pseudonym("somebody@example") != before
    assert studio.guard.audit(member="somebody@example") == []


def test_the_last_word_on_an_objection_counts(studio: Studio) -> None:
    studio.guard.object("a")
    studio.guard.object("b")
    studio.guard.object("a", stands=False)
    assert studio.guard.objectors() == {"b"}
    assert studio.guard.exclusions() == Exclusions(frozenset({"b"}))


def test_decisions_differ_in_id_and_share_the_digest_of_the_same_question(studio: Studio) -> None:
    one, two = (studio.decide(question("m"), lambda: Answer(1, MADE)) for _ in range(2))
    assert one.id != two.id and one.inputs.digest == two.inputs.digest


def test_the_same_records_on_postgres(postgres: str, tmp_path: Path) -> None:
    records = Records(tmp_path / "not-used", postgres)
    records.object("m")
    assert records.objectors() == {"m"} and records.pseudonym("m") == records.pseudonym("m")
    assert records.forget("m") and not records.objectors()
