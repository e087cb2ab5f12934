"""What was found about an edge, as a table and as JSON. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.edge.caches import read_cache
from server.library.clips.check import NOTE
from server.library.report import render_rows, show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.edge.answers import EdgeAnswer
    from server.edge.examine import EdgeReport
    from server.edge.faults import EdgeFinding

ORDER = (
    "playlist",
    "playlist packed",
    "media",
    "media packed",
    "init",
    "segment",
    "probe",
    "all of it",
    "range",
    "suffix",
    "past the end",
    "full",
    "HEAD",
    "conditional",
    "again",
    "playlist again",
    "missing",
)


def render_report(report: EdgeReport) -> list[str]:
    """Return the table, then a line for each finding."""
    rows = [
        dict(_row(report.answers[name], report.findings)) for name in _names(report)
    ]
    lines = render_rows(rows)
    for each in report.findings:
        asked = f" ({', '.join(each.questions)})" if each.questions else ""
        lines.append(
            f"{each.severity} {each.code}{asked}: {each.sentence}: {each.remedy}"
        )
    if all(each.severity == NOTE for each in report.findings):
        lines.append("fine")
    return lines


def report_as_json(url: str, report: EdgeReport) -> dict[str, object]:
    """Return all as one object."""
    rows = [
        {
            **dict(_row(answer, report.findings)),
            "headers": dict(answer.headers),
            "bytes": answer.received,
            "error": answer.error or None,
        }
        for answer in map(report.answers.__getitem__, _names(report))
    ]
    findings = [each._asdict() for each in report.findings]
    return {"url": url, "edge": _find_edge(report), "rows": rows, "findings": findings}


def _names(report: EdgeReport) -> list[str]:
    return [name for name in ORDER if name in report.answers]


def _find_edge(report: EdgeReport) -> str | None:
    edges = (read_cache(each.headers).edge for each in report.answers.values())
    return next(filter(None, edges), None)


def _row(
    answer: EdgeAnswer, findings: list[EdgeFinding]
) -> Iterator[tuple[str, object]]:
    name, cached = answer.question.name, read_cache(answer.headers)
    codes = [each.code for each in findings if name in each.questions]
    yield "question", name
    yield "asked", _show_question(answer)
    yield "status", answer.status or None
    yield "came", _show_answer(answer)
    yield "cache", " ".join(filter(None, (cached.edge, cached.state))) or None
    yield "verdict", ", ".join(codes) or "fine"


def _show_question(answer: EdgeAnswer) -> str:
    """Return the header that makes the question, or its method."""
    headers = answer.question.headers
    told = [f"{name}: {value}" for name, value in headers.items()]
    return told[0] if told else answer.question.method


def _show_answer(answer: EdgeAnswer) -> str | None:
    if answer.error:
        return answer.error
    said = answer.headers
    if answer.status in (206, 416):
        return said.get("content-range")
    if "location" in said:
        return f"to {said['location']}"
    if answer.question.method == "HEAD" and answer.length is not None:
        return show_bytes(answer.length)
    more = "more than " if answer.cut else ""
    length = show_bytes(answer.received)
    return f"{more}{length}" if answer.received else None
