"""From the answers of an edge to what is wrong with it. No I/O.

A fault is named once, by its cause: what only follows from it is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.edge.answers import find_size
from server.edge.faults import build_finding, merge_findings
from server.edge.policies import judge_cache, judge_headers, judge_kept_error
from server.library.report import count_noun
from server.video.ranges import fit_ranges, parse_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from server.edge.answers import EdgeAnswer
    from server.edge.faults import EdgeFinding

RANGES = ("probe", "all of it", "range", "suffix", "again")
CONSEQUENCES = {
    "range-ignored": {"suffix-ignored", "past-the-end", "no-accept-ranges"},
    "compressed": {"weak-etag", "changing-etag", "chunked", "no-length", "vary"},
    "chunked": {"head-differs", "no-total"},
    "no-length": {"head-differs", "no-total"},
    "wrong-content-range": {"past-the-end", "condition-ignored"},
    "no-etag": {"changing-etag"},
    "changing-etag": {"head-differs", "condition-ignored"},
    "wrong-length": {"short-body"},
    "other-bytes": {"wrong-bytes", "wrong-total"},
    "vary-star": {"vary"},
    "kept-too-long": {"other-playlist"},
    "no-playlist": {"other-playlist", "wrong-status"},
    "wrong-coding": {"other-playlist"},
}
"""What follows from a fault, and is no fault of its own beside it."""


def judge(
    answers: Mapping[str, EdgeAnswer], path: str, origin: EdgeAnswer | None = None
) -> list[EdgeFinding]:
    """Return what is wrong, the worst first.

    answers are by the names of their questions; path is that of the URL; origin is
    what the origin sent when asked for all.
    """
    full, probe = answers["full"], answers["probe"]
    size = find_size(full, probe, answers["HEAD"])
    if origin is not None and not origin.cut:
        size = origin.received
    found = [each for answer in answers.values() for each in judge_end(answer)]
    for name in RANGES:
        if name in answers:
            found += judge_range(answers[name], size, origin or full)
    found += judge_full(full, size, origin)
    for name, judging in (
        ("past the end", judge_past_end),
        ("HEAD", judge_head),
        ("conditional", judge_conditional),
        ("missing", judge_missing),
    ):
        if name in answers and answers[name].status:
            found += judging(answers[name], size, full)
            found += judge_kept_error(answers[name])
    found += judge_headers([each for each in answers.values() if is_body(each)])
    found += judge_cache(answers["again"], path, size)
    return merge_findings(drop_consequences(found))


def drop_consequences(found: Sequence[EdgeFinding]) -> list[EdgeFinding]:
    """Return what does not only follow from another one."""
    codes = {each.code for each in found}
    for cause in CONSEQUENCES.keys() & codes:
        codes -= CONSEQUENCES[cause]
    return [each for each in found if each.code in codes]


def is_body(answer: EdgeAnswer) -> bool:
    """Report whether the video, or a part of it, came to who asked for that."""
    return answer.question.name in (*RANGES, "full") and answer.status in (200, 206)


def judge_end(answer: EdgeAnswer) -> Iterator[EdgeFinding]:
    """Judge whether all came that was to come."""
    name = answer.question.name
    if not answer.status:
        yield build_finding("no-answer", f"no answer came: {answer.error}", name)
    elif answer.error:
        came = count_noun(answer.received, "byte")
        if answer.length is not None:
            came = f"{answer.received:,} of {count_noun(answer.length, 'byte')}"
        sentence = f"{came} came, then {answer.error}"
        yield build_finding("short-body", sentence, name)


def judge_range(
    answer: EdgeAnswer, size: int | None, truth: EdgeAnswer
) -> Iterator[EdgeFinding]:
    """Judge a part; truth is what came of the whole."""
    name, asked = answer.question.name, answer.question.headers["Range"]
    if answer.status == 200 and answer.encoded:
        return  # what was compressed has no ranges
    if answer.status == 200:
        code = "suffix-ignored" if name == "suffix" else "range-ignored"
        yield build_finding(code, f"200 was the answer to {asked}", name)
    elif answer.status == 206:
        yield from judge_part(answer, asked, size, truth)
    elif answer.status and name == "again":
        sentence = f"a good range was answered {answer.status} after a bad one"
        yield build_finding("error-cached", sentence, name)
    elif answer.status and fit(asked, size):
        sentence = f"{answer.status} was the answer to {asked}"
        yield build_finding("wrong-status", sentence, name)


def judge_part(
    answer: EdgeAnswer, asked: str, size: int | None, truth: EdgeAnswer
) -> Iterator[EdgeFinding]:
    """Judge a 206: which part it is, of how much, and its bytes."""
    name, span, said = answer.question.name, answer.span, answer.headers
    text = said.get("content-range", "absent")
    if span is None or (size is not None and span != fit(asked, size)):
        sentence = f"Content-Range is {text} where {asked} was asked"
        yield build_finding("wrong-content-range", sentence, name)
        return
    if answer.total is None:
        yield build_finding("no-total", f"Content-Range is {text}", name)
    elif size is not None and answer.total != size:
        whole = count_noun(size, "byte")
        sentence = f"Content-Range is {text}, while the video has {whole}"
        yield build_finding("wrong-total", sentence, name)
    yield from judge_length(answer, len(span))
    expected = truth.parts.get(span)
    if answer.encoded or answer.error or truth.encoded:
        return
    if expected is not None and len(expected) == len(span) and expected != answer.body:
        sentence = f"bytes {span[0]}-{span[-1]} are not those of the whole"
        yield build_finding("wrong-bytes", sentence, name)


def judge_length(answer: EdgeAnswer, expected: int | None) -> Iterator[EdgeFinding]:
    """Judge how the end of a body is told."""
    name = answer.question.name
    if answer.chunked:
        yield build_finding("chunked", "it comes in chunks, without a length", name)
    elif answer.length is None:
        yield build_finding("no-length", "there is no Content-Length", name)
    elif expected is not None and answer.length != expected and not answer.encoded:
        sentence = f"Content-Length is {answer.length:,}, the part has {expected:,}"
        yield build_finding("wrong-length", sentence, name)


def fit(asked: str, size: int | None) -> range | None:
    """Return the bytes that a range means; None when the video has none of them."""
    specs = parse_range(asked)
    if size is None or specs is None:
        return None
    return next(iter(fit_ranges(specs, size)), None)


def judge_full(
    full: EdgeAnswer, size: int | None, origin: EdgeAnswer | None
) -> Iterator[EdgeFinding]:
    """Judge the whole video, and whether it is the origin's."""
    name = full.question.name
    if not full.status:
        return
    if full.status != 200:
        code = "wrong-content-range" if full.status == 206 else "wrong-status"
        sentence = f"{full.status} was the answer to a request for all"
        yield build_finding(code, sentence, name)
        return
    yield from judge_length(full, None)
    if full.cut:
        sentence = f"only the first {full.received:,} bytes were fetched"
        if size is not None:
            sentence += f" of {size:,}"
        yield build_finding("full-cut", sentence, name)
    if full.encoded or full.error:
        return
    if origin is None and not full.cut and full.received != size:
        came = count_noun(full.received, "byte")
        sentence = f"{came} came, while the video has {size or 0:,}"
        yield build_finding("short-body", sentence, name)
    if origin is None or full.cut != origin.cut:
        return
    if full.received != origin.received:
        has = count_noun(full.received, "byte")
        sentence = f"it has {has}, at the origin {origin.received:,}"
        yield build_finding("other-bytes", sentence, name)
    elif full.digest != origin.digest:
        sentence = "its bytes are not those of the origin"
        yield build_finding("other-bytes", sentence, name)


def judge_past_end(
    answer: EdgeAnswer, size: int | None, _: EdgeAnswer
) -> Iterator[EdgeFinding]:
    """Judge the answer to a range behind the last byte."""
    name, asked = answer.question.name, answer.question.headers["Range"]
    if size is None or fit(asked, size):  # what we took for the size was not it
        return
    if answer.status != 416:
        code = "wrong-status" if answer.status >= 500 else "past-the-end"
        sentence = f"{answer.status} was the answer to {asked}, past the end"
        yield build_finding(code, sentence, name)
    elif answer.total is None:
        yield build_finding("bare-416", "the 416 does not tell the size", name)
    elif answer.total != size:
        sentence = f"the 416 tells of {answer.total:,} bytes instead of {size:,}"
        yield build_finding("wrong-total", sentence, name)


def judge_head(
    head: EdgeAnswer, size: int | None, full: EdgeAnswer
) -> Iterator[EdgeFinding]:
    """Judge whether HEAD is as GET."""
    wrong = []
    if head.status != 200:
        wrong.append(f"the status {head.status}")
    else:
        if head.length is None or size not in (None, head.length):
            wrong.append(f"Content-Length {head.headers.get('content-length', 'none')}")
        for key in ("Content-Type", "ETag", "Accept-Ranges"):
            one, other = (
                each.headers.get(key.lower(), "none") for each in (head, full)
            )
            if one.removeprefix("W/") != other.removeprefix("W/"):
                wrong.append(f"{key} {one}")
    if wrong and full.status == 200 and not full.encoded:
        sentence = f"HEAD has {', '.join(wrong)}, unlike GET"
        yield build_finding("head-differs", sentence, head.question.name)


def judge_conditional(answer: EdgeAnswer, *_: object) -> Iterator[EdgeFinding]:
    """Judge the answer to who has the video already."""
    tag = answer.question.headers.get("If-None-Match", '"')
    if answer.status != 304 and '"' in tag:  # without quotes it is no condition
        sentence = f"{answer.status} was the answer to who has it already, not 304"
        yield build_finding("condition-ignored", sentence, answer.question.name)


def judge_missing(answer: EdgeAnswer, *_: object) -> Iterator[EdgeFinding]:
    """Judge the answer, the second time, for a video that does not exist."""
    name = answer.question.name
    if answer.status in (200, 206):
        sentence = f"{answer.status} was the answer for a video that does not exist"
        yield build_finding("wrong-status", sentence, name)
