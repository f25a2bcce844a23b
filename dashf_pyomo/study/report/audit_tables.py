"""Tables of what a reader has to know before trusting the others: contradictions, versions, failures, machines."""

from __future__ import annotations

from .study_data import StudyData
from .table import ReportTable

__all__ = ["contradictions_table", "failures_table", "machines_table", "versions_table"]


def contradictions_table(data: StudyData) -> ReportTable:
    """Return a table of the bounds that allocations refute."""
    table = ReportTable(
        "contradictions",
        "Contradictions",
        "Bounds that a verified allocation refutes. Such a bound is not used below; its proof is wrong.",
        ("scenario", "what contradicts what"),
    )
    for found in data.contradictions:
        table.add((data.names.get(found.scenario) or found.scenario[:8], found.text), found.cells)
    return table


def versions_table(data: StudyData) -> ReportTable:
    """Return a table of the versions that cells were run by, empty where there is one of each."""
    table = ReportTable(
        "versions",
        "Different versions",
        "The cells were run by different versions of the code: what differs between them may be the version, not the "
        "method or the scenario. dashf study run --rerun stale runs those again that the present code has not run.",
        ("distribution", "version", "methods", "number"),
    )
    for name, known in data.mixed_versions.items():
        for version, cells in known.items():
            variants = ", ".join(dict.fromkeys(cell.variant for cell in cells))
            table.add((name, version, variants, len(cells)), [cell.position for cell in cells])
    return table


def failures_table(data: StudyData) -> ReportTable:
    """Return a table of the cells without a result that counts."""
    table = ReportTable(
        "failures",
        "Failures",
        "Cells without a result that counts, by what happened. Above, they win nothing and reach no target; means of "
        "SCR and gap leave them out and say how many.",
        ("method", "outcome", "message", "number"),
    )
    found: dict[tuple[str, str, str], list[int]] = {}
    for cell in data.distinct:
        if cell.failed:
            outcome = cell.outcome if cell.outcome != "done" else f"done, {cell.status}"
            found.setdefault((cell.variant, outcome, cell.message[:300]), []).append(cell.position)
    for (variant, outcome, message), cells in sorted(found.items(), key=lambda item: -len(item[1])):
        table.add((variant, outcome, message, len(cells)), cells)
    return table


def machines_table(data: StudyData) -> ReportTable:
    """Return a table of where cells ran."""
    table = ReportTable(
        "machines",
        "Machines and versions",
        "Where cells ran, and with what; all versions are in every record of the store.",
        ("machine", "processor", "cores", "system", "Python", "versions"),
    )
    for digest, document in data.environments.items():
        versions = ", ".join(f"{name} {version}" for name, version in document["packages"].items())
        table.add(
            (document["machine"], document["processor"], int(document["cores"] or 0), document["system"],
             document["python"], versions),
            [cell.position for cell in data.cells if cell.environment == digest],
        )  # fmt: skip
    return table
