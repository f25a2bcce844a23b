"""``dashf check``: verify the claims of a result file."""

from __future__ import annotations

import argparse
from typing import Any

from formulations import InputError, Scenario
from formulations.documents import canonical, read_document

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="verify the claims of a result",
        description="Evaluate the allocation of a result again and compare every claim. Exit 1 if one does not hold.",
    )
    parser.add_argument("scenario", metavar="SCENARIO.json")
    parser.add_argument("result", metavar="RESULT.json")
    parser.add_argument("--certificate", metavar="FILE", help="proof of the upper bound")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from ..check import check

    if parsed.certificate is not None:
        raise InputError("--certificate: no method of this version writes certificates; expected none")
    scenario = Scenario.read(parsed.scenario)
    findings = check(scenario, read_document(parsed.result, "dashf-result"), parsed.result)
    holds = all(finding.holds for finding in findings)
    if parsed.json:
        rows = [vars(item) for item in findings]
        print(canonical({"format": "dashf-check", "version": 1, "holds": holds, "findings": rows}))
    else:
        from rich.table import Table
        from rich.text import Text

        from .console import Output

        table = Table(title=Text(f"{parsed.result} against {parsed.scenario}"), title_justify="left")
        table.add_column("claim")
        table.add_column("holds")
        table.add_column("found")
        for finding in findings:
            verdict = "[bold red]NO[/]" if not finding.holds else "yes" if finding.checked else "not checked"
            table.add_row(finding.claim, verdict, Text(finding.detail))
        console = Output()
        console.print(table)
        console.print(
            "every claim that can be checked holds" if holds else "[bold red]a claim does not hold[/]", highlight=False
        )
    return 0 if holds else 1
