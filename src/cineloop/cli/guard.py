"""`cineloop guard …`: objections to profiling, and the audit of decisions."""

from __future__ import annotations

import click

from cineloop.cli.show import json_option, opened, print_json, table


@click.group()
def guard() -> None:
    """Objections and the audit of decisions."""


@guard.command("object")
@click.argument("member")
@click.option("--withdraw", is_flag=True, help="The objection no longer stands.")
def objection(member: str, withdraw: bool) -> None:
    """Note that MEMBER (an account or a profile) objects to profiling.

    No model learns from them from then on, and no home is made from their history.
    """
    opened().guard.object(member, stands=not withdraw)
    click.echo(f"{member}: objection {'withdrawn' if withdraw else 'noted'}")


@guard.command()
@click.option(
    "--last", type=click.IntRange(1), default=20, show_default=True, help="How many, the newest first."
)
@click.option("--member", help="Only decisions about this member.")
@json_option
def audit(last: int, member: str | None, as_json: bool) -> None:
    """Show what was decided, and by which rule it was allowed or denied."""
    rows = opened().guard.audit(last=last, member=member)
    if as_json:
        print_json(rows)
        return
    table(
        "Decisions",
        ("decision", "at", "action", "about", "verdict", "rules", "made by"),
        [
            (
                row["decision"],
                row["at"][:19].replace("T", " "),
                row["action"],
                (row["subject"] or "")[:8],
                "allowed" if row["allowed"] else "denied",
                ", ".join(row["verdict"]["rules"]),
                ", ".join(part["ref"][:12] for part in row["made_by"] if part["kind"] != "rule"),
            )
            for row in rows
        ],
        note="`about` is a pseudonym: only its key, kept apart, leads back to the member.",
    )


@guard.command()
@json_option
def rules(as_json: bool) -> None:
    """List the rules that the policy holds decisions to."""
    found = [
        {
            "id": r.id,
            "effect": r.effect,
            "title": r.title,
            "source": r.source,
            "cure": r.cure,
            "duties": r.duties,
        }
        for r in opened().rules
    ]
    if as_json:
        print_json(found)
        return
    headers = ("id", "effect", "title", "source", "cure")
    table("Rules", headers, [tuple(str(rule[h]) for h in headers) for rule in found])
