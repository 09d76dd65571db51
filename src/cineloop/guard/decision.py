"""`Decision[T]`: an answer with what made it, what it rests on, how sure it is, and who allowed it.

Only `Studio.decide` makes one, so that none escapes the policy and the audit; a test holds that.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
SCHEMA_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(_Frozen):
    """The answer's number lies between `low` and `high` with probability `level`, in the answer's unit."""

    kind: Literal["interval"] = "interval"
    low: float
    high: float
    level: float = Field(gt=0, lt=1)


class Samples(_Frozen):
    """Draws from the predictive distribution, in the answer's unit."""

    kind: Literal["samples"] = "samples"
    values: tuple[float, ...]


class Bound(_Frozen):
    """No answer can be better than `value`; `proven` when the answer reaches it."""

    kind: Literal["bound"] = "bound"
    value: float
    proven: bool


Uncertainty = Annotated[Interval | Samples | Bound, Field(discriminator="kind")]


class MadeBy(_Frozen):
    """A run, a solver or a plain rule that had a part in the answer."""

    kind: Literal["run", "solver", "rule"]
    ref: str
    part: str


class Inputs(_Frozen):
    """What the answer was made from: enough to make it again."""

    digest: str
    as_of: datetime
    snapshot: str | None = None
    watermark: datetime | None = None


class Evidence(_Frozen):
    """One thing the answer rests on: a comparable, a driver, a play that contributed."""

    kind: Literal["comparable", "driver", "play"]
    ref: str
    about: str
    weight: float


class Verdict(_Frozen):
    """What the policy said: allowed or denied, by which rules, with which duties or cures."""

    allowed: bool
    rules: tuple[str, ...]
    duties: tuple[str, ...] = ()
    why: str = ""
    cure: str = ""


class SignOff(_Frozen):
    """The person who took a recommendation, or overruled it, and when."""

    person: str
    at: datetime
    accepted: bool
    note: str = ""


class Decision(_Frozen, Generic[T]):
    """An answer that can be questioned. `made_by` names every run that had a part in it."""

    id: str
    schema_version: int = SCHEMA_VERSION
    action: str
    at: datetime
    answer: T
    uncertainty: Uncertainty | None
    made_by: tuple[MadeBy, ...]
    inputs: Inputs
    evidence: tuple[Evidence, ...]
    verdict: Verdict
    sign_off: SignOff | None = None
    supersedes: str | None = None


def decision_id() -> str:
    """A fresh id that sorts by time: 12 hex digits of milliseconds, 16 random ones."""
    return f"d-{time.time_ns() // 1_000_000:012x}{os.urandom(8).hex()}"
