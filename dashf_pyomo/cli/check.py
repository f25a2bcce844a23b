"""``dashf check``: verify the claims of a result file."""

from __future__ import annotations

import argparse
from typing import Any

from formulations import Scenario
from formulations.documents import canonical

from .progress import Steps

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
    parser.add_argument("--certificate", metavar="FILE", help="proof of the bound or of infeasibility (.npz)")
    parser.add_argument(
        "--workers", type=_workers, default=1, metavar="K", help="processes that verify the certificate (default 1)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=_run)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1024):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number from 1 to 1024")
    return int(text)


def _run(parsed: argparse.Namespace) -> int:
    from ..certificate import Certificate
    from ..check import check
    from ..result_data import read_result_document

    scenario = Scenario.read(parsed.scenario)
    document = read_result_document(parsed.result)
    certificate = None if parsed.certificate is None else Certificate.read(parsed.certificate)
    with Steps("verifying the certificate") as progress:
        findings = check(scenario, document, parsed.result, certificate, progress, parsed.workers)
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
