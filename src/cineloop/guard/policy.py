"""The policy: rules that allow, rules that deny, and nothing allowed by silence.

A rule is data about itself and one pure test of a request. Denial wins; a request that no rule allows is denied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cineloop.guard.decision import Verdict


@dataclass(frozen=True)
class Request:
    """What someone asks to decide: the action, whom it concerns, and the facts that rules look at."""

    action: str
    subject: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule: where it comes from, what it does when it applies, and how a denial can be cured."""

    id: str
    title: str
    source: str
    effect: Literal["allow", "deny"]
    applies: Callable[[Request], bool]
    cure: str = ""
    duties: tuple[str, ...] = ()


class Denied(Exception):  # noqa: N818 - the field's word
    """The policy refused; the refusal is in the audit under `decision`."""

    def __init__(self, decision: str, verdict: Verdict) -> None:
        self.decision, self.verdict = decision, verdict
        cure = f"; {verdict.cure}" if verdict.cure else ""
        super().__init__(f"denied by {', '.join(verdict.rules) or 'default'}: {verdict.why}{cure}")


def judge(request: Request, rules: tuple[Rule, ...]) -> Verdict:
    """The verdict over all rules that apply.

    >>> judge(Request("play.home"), ()).allowed
    False
    """
    applying = [rule for rule in rules if rule.applies(request)]
    against = [rule for rule in applying if rule.effect == "deny"]
    if against:
        return Verdict(
            allowed=False,
            rules=tuple(rule.id for rule in against),
            why="; ".join(rule.title for rule in against),
            cure="; ".join(rule.cure for rule in against if rule.cure),
        )
    if not applying:
        return Verdict(allowed=False, rules=(), why=f"no rule allows {request.action}")
    return Verdict(
        allowed=True,
        rules=tuple(rule.id for rule in applying),
        duties=tuple(duty for rule in applying for duty in rule.duties),
        why="; ".join(rule.title for rule in applying),
    )


HOME_FOR_ITS_MEMBER = Rule(
    id="policy:home-for-its-member",
    title="a member may be given a home screen of their own",
    source="Cineloop's own policy",
    effect="allow",
    applies=lambda request: request.action == "play.home" and request.subject is not None,
    duties=("every title shown carries its reason",),
)

PITCH_WITH_EVIDENCE = Rule(
    id="policy:pitch-with-evidence",
    title="a title that does not exist yet may be judged on what was known on the day",
    source="Cineloop's own policy",
    effect="allow",
    applies=lambda request: request.action.startswith("pitch."),
    duties=("every number carries its interval, or the evidence that it rests on",),
)

OBJECTION_TO_PROFILING = Rule(
    id="gdpr:21-objection",
    title="the member has objected to profiling",
    source="Regulation (EU) 2016/679 (GDPR), Article 21(1)",
    effect="deny",
    applies=lambda request: bool(request.facts.get("profiling")) and bool(request.facts.get("objected")),
    cure="ask for the home without profiling (profiling=off), or let the member withdraw the objection",
)

RULES: tuple[Rule, ...] = (HOME_FOR_ITS_MEMBER, PITCH_WITH_EVIDENCE, OBJECTION_TO_PROFILING)
