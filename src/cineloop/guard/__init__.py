"""What may be decided, by which rule, and the record of it."""

from cineloop.guard.decision import (
    Bound,
    Decision,
    Evidence,
    Inputs,
    Interval,
    MadeBy,
    Samples,
    SignOff,
    Verdict,
)
from cineloop.guard.exclusions import Exclusions
from cineloop.guard.policy import RULES, Denied, Request, Rule, judge
from cineloop.guard.records import Entry, Records

__all__ = [
    "RULES",
    "Bound",
    "Decision",
    "Denied",
    "Entry",
    "Evidence",
    "Exclusions",
    "Inputs",
    "Interval",
    "MadeBy",
    "Records",
    "Request",
    "Rule",
    "Samples",
    "SignOff",
    "Verdict",
    "judge",
]
