"""A file is repaired by the least that helps, and by more where that fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import av
import pytest

from server.library.clips.check import (
    EXPORT,
    FAULT,
    LOSE,
    WARNING,
    Flaw,
    Limits,
    Repair,
)
from server.library.clips.checking import CheckReport, check_media
from server.library.clips.repair import choose_method, open_media, plan_repair
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from server.library.imports.importer import NO_REPAIR, RepairPolicy
from server.library.imports.repairing import find_refusal, repairing
from tests.clips import Kind, make, patch
from tests.library.ffmpeg.encoding import (
    NOISY,
    cut_off,
    damage_picture,
    make_at,
    make_cut,
    make_late_sound,
    make_pulse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.library.imports.repairing import RepairedFile

FIX = RepairPolicy(fix=True)
TRANSCODE = RepairPolicy(fix=True, transcode=True)
ACCEPT = TRANSCODE._replace(accept_damage=True)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def flaw(code: str, repair: Repair | None, severity: str = FAULT) -> Flaw:
    return Flaw(code, severity, f"has {code}", "export it again", repair)


@contextmanager
def repaired(
    path: Path, policy: RepairPolicy, sandbox: Sandbox, *flaws: Flaw
) -> Iterator[RepairedFile]:
    """Yield what becomes of a file that has these flaws, or those that are found."""
    with open_file(path) as file:
        report = check_media(open_media(file), sandbox, Limits())
        if flaws:
            report = CheckReport(list(flaws), report.movie)
        with repairing(file, report, policy, sandbox) as done:
            yield done


def list_codes(done: RepairedFile) -> list[str]:
    return [each.code for each in done.report.flaws]


LEAST = [
    ([flaw("moov-after-mdat", "fix", WARNING)], "fix"),
    ([flaw("audio-codec", "transcode"), flaw("moov-after-mdat", "fix")], "sound"),
    ([flaw("audio-config", "transcode")], "sound"),
    ([flaw("audio-codec", "transcode"), flaw("codec", "transcode")], "transcode"),
    ([flaw("mirrored", "transcode", WARNING)], "transcode"),
    ([flaw("rotated", "transcode", "note")], None),
    ([flaw("hdr", None, "note"), flaw("not-mp4", "fix")], "fix"),
    ([flaw("damaged-pictures", None)], None),
    ([flaw("over-duration", None, WARNING)], None),
    ([], None),
]


@pytest.mark.parametrize(("flaws", "method"), LEAST)
def test_least_repair_is_chosen(flaws: list[Flaw], method: str | None) -> None:
    assert choose_method(flaws, transcode=True) == method
    public = "transcode" if method == "sound" else method
    assert plan_repair(flaws, transcode=True) == public


@pytest.mark.parametrize(
    ("codes", "method"),
    [
        (["damaged-pictures"], "transcode"),
        (["damaged-sound"], "sound"),
        (["damaged-sound", "damaged-pictures"], "transcode"),
        (["truncated"], None),
    ],
)
def test_damage_is_only_encoded_if_it_is_accepted(
    codes: list[str], method: str | None
) -> None:
    flaws = [flaw(code, None) for code in codes]
    assert choose_method(flaws, transcode=True) is None
    assert choose_method(flaws, transcode=False, accept_damage=True) is None
    assert choose_method(flaws, transcode=True, accept_damage=True) == method


def read_codecs(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.codec_context.name for stream in container.streams]


@pytest.mark.parametrize("policy", [FIX, TRANSCODE])
def test_other_format_is_only_copied(
    policy: RepairPolicy, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make_pulse(tmp_path / "a.mkv", "matroska")
    with repaired(path, policy, sandbox, flaw("not-mp4", "fix")) as done:
        assert (done.repaired, list_codes(done)) == ("fixed", [])


def test_what_copying_brings_to_light_is_encoded(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    kind = Kind(format="matroska", fps=60, frames=30)
    path = make(tmp_path / "a.mkv", kind)
    with repaired(path, FIX, sandbox, flaw("not-mp4", "fix")) as done:
        assert (done.repaired, list_codes(done)) == ("fixed", ["over-frame-rate"])
    with repaired(path, TRANSCODE, sandbox, flaw("not-mp4", "fix")) as done:
        assert (done.repaired, list_codes(done)) == ("transcoded", [])


def test_sound_is_encoded_behind_copying(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mkv", Kind(format="matroska", audio="libmp3lame"))
    with repaired(path, TRANSCODE, sandbox, flaw("not-mp4", "fix")) as done:
        assert (done.repaired, list_codes(done)) == ("transcoded", [])
        copied = tmp_path / "b.mp4"
        copied.write_bytes(done.file.read())
    assert read_codecs(copied) == ["h264", "aac"]
    with av.open(str(path)) as source, av.open(str(copied)) as made:
        pictures = [
            [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
            for container in (source, made)
        ]
    assert pictures[0] == pictures[1]


def test_cut_between_key_frames_is_encoded(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make_cut(tmp_path, 20)
    shift = flaw("edit-list-shift", "fix", WARNING)
    with repaired(path, FIX, sandbox, shift) as done:
        assert done.repaired is None
        assert list_codes(done) == ["not-repaired", "edit-list-shift"]
        assert {each.repair for each in done.report.flaws} == {"transcode"}
    with repaired(path, TRANSCODE, sandbox, shift) as done:
        assert (done.repaired, list_codes(done)) == ("transcoded", [])


def test_edit_list_that_must_stay_does_not_stop_a_fix(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make_cut(tmp_path, 20)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"avc1\0\0", b"avc3\0\0"))
    tag = flaw("avc3-tag", "fix")
    shift = flaw("edit-list-shift", "fix", WARNING)
    with repaired(path, FIX, sandbox, tag, shift) as done:
        assert done.repaired == "fixed"
        assert list_codes(done) == ["edit-list-shift"]


def test_late_sound_needs_no_new_pictures(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make_late_sound(tmp_path / "a.mp4")
    shift = flaw("edit-list-shift", "fix", WARNING)
    with av.open(str(path)) as container:
        before = [bytes(p) for p in container.demux(video=0) if p.size]
    with repaired(path, TRANSCODE, sandbox, shift) as done:
        assert (done.repaired, list_codes(done)) == ("transcoded", [])
        (tmp_path / "b.mp4").write_bytes(done.file.read())
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [bytes(p) for p in container.demux(video=0) if p.size] == before


@pytest.mark.parametrize(("number", "repair"), [(15, "fix"), (20, "transcode")])
def test_check_knows_which_cut_is_mended_by_a_copy(
    number: int, repair: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make_cut(tmp_path, number)
    with repaired(path, FIX if repair == "fix" else TRANSCODE, sandbox) as done:
        assert list_codes(done) == []
    with open_file(path) as file:
        flaws = check_media(open_media(file), sandbox, Limits()).flaws
    [shift] = [each for each in flaws if each.code == "edit-list-shift"]
    assert shift.repair == repair
    assert shift.remedy == f"import it with --{repair}"


def test_check_knows_that_late_sound_is_encoded(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make_late_sound(tmp_path / "a.mp4")
    with av.open(str(path)) as container:
        before = [bytes(p) for p in container.demux(video=0) if p.size]
    with open_file(path) as file:
        flaws = check_media(open_media(file), sandbox, Limits()).flaws
    repairs = {each.code: each.repair for each in flaws}
    assert repairs["edit-list-shift"] == "transcode"
    with repaired(path, TRANSCODE, sandbox) as done:
        assert (done.repaired, list_codes(done)) == ("transcoded", [])
        (tmp_path / "b.mp4").write_bytes(done.file.read())
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [bytes(p) for p in container.demux(video=0) if p.size] == before


def test_start_that_is_an_hour_late_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    late = make(tmp_path / "late.mp4", Kind(delay=15, audio=None))

    def postpone(body: bytearray) -> None:
        assert body[12:16] == b"\xff" * 4  # which shows nothing
        body[8:12] = (3_600_000).to_bytes(4, "big")

    path = patch(tmp_path / "a.mp4", late, b"elst", postpone)
    with repaired(path, TRANSCODE, sandbox) as done:
        assert done.repaired is None
        refusal = find_refusal(done.report.flaws, TRANSCODE)
    assert refusal
    assert (refusal.code, refusal.remedy) == ("edit-list-shift", EXPORT)
    assert refusal.sentence == "has an edit list that delays its start by 3600 s"


@pytest.mark.parametrize("policy", [FIX, TRANSCODE])
def test_lost_start_is_told_by_a_copy(
    policy: RepairPolicy, tmp_path: Path, sandbox: Sandbox
) -> None:
    whole = make_pulse(tmp_path / "whole.ts", "mpegts")
    path = cut_off(whole, tmp_path / "a.ts", 4)
    with repaired(path, policy, sandbox) as done:
        assert done.repaired == "fixed"
        [lost] = done.report.flaws
    assert (lost.code, lost.severity) == ("start-lost", WARNING)
    assert lost.sentence == "lost 11 pictures at its start, before any key frame"


REFUSALS = [
    ([], FIX, None),
    ([flaw("extra-track", "fix", WARNING)], NO_REPAIR, None),
    ([flaw("codec", "transcode")], NO_REPAIR, ("codec", "transcode")),
    (
        [flaw("fragmented", "fix"), flaw("codec", "transcode")],
        FIX,
        ("codec", "transcode"),
    ),
    ([flaw("codec", "transcode"), flaw("truncated", None)], FIX, ("truncated", None)),
    ([flaw("fragmented", "fix")], FIX, ("fragmented", None)),
    ([flaw("fragmented", "fix")], TRANSCODE, ("fragmented", None)),
    ([flaw("codec", "transcode")], TRANSCODE, ("codec", None)),
]


@pytest.mark.parametrize(("flaws", "policy", "expected"), REFUSALS)
def test_refusal_names_a_remedy_that_was_not_tried(
    flaws: list[Flaw], policy: RepairPolicy, expected: tuple[str, str | None] | None
) -> None:
    refusal = find_refusal(flaws, policy)
    assert (refusal and (refusal.code, refusal.repair)) == expected


def test_accepted_damage_is_no_remedy_once_it_was_tried() -> None:
    losing = flaw("damaged-pictures", None)._replace(remedy=LOSE)
    refusal = find_refusal([losing], TRANSCODE)
    assert refusal == losing
    refusal = find_refusal([losing], ACCEPT)
    assert refusal
    assert refusal.remedy == EXPORT


def test_pause_of_minutes_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    """It would be there again once all has been encoded."""
    path = make_at(tmp_path / "a.mp4", [0, 0.1, 90, 90.1])
    with repaired(path, TRANSCODE, sandbox) as done:
        assert done.repaired is None
        refusal = find_refusal(done.report.flaws, TRANSCODE)
    assert refusal
    assert (refusal.code, refusal.remedy) == ("sample-times", EXPORT)
    assert refusal.sentence == "has a sample that lasts 90 s (stts)"


def test_damage_is_refused_or_told(tmp_path: Path, sandbox: Sandbox) -> None:
    whole = make(tmp_path / "whole.mp4", NOISY)
    path = damage_picture(whole, tmp_path / "a.mp4", 30)
    damage = flaw("damaged-pictures", None)
    with repaired(path, TRANSCODE, sandbox, damage) as done:
        assert (done.repaired, done.report.flaws) == (None, [damage])
    codec = flaw("codec", "transcode")  # as if the check had missed the damage
    with repaired(path, TRANSCODE, sandbox, codec) as done:
        assert done.repaired is None
        assert done.report.flaws[0].sentence == (
            "has codec, and could not be repaired (it is damaged at 1.0 s: 10 of 60 "
            "pictures cannot be decoded; --accept-damage keeps the rest of it)"
        )
    with repaired(path, ACCEPT, sandbox, damage) as done:
        assert done.repaired == "transcoded"
        [lost] = done.report.flaws
        assert (lost.code, lost.severity, lost.sentence) == (
            "damage-accepted",
            WARNING,
            "lost 10 of 60 pictures at 1.0 s",
        )
