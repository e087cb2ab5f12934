from __future__ import annotations

import pytest

from server.library.words.target import LinkTarget, Misfit, find_misfit


@pytest.mark.parametrize(
    ("target", "misfit"),
    [
        (LinkTarget(word="a", language="en"), None),
        (LinkTarget(word="a", language="en", native="de"), None),
        (LinkTarget(definition=0), None),
        (LinkTarget(question=1), None),
        (LinkTarget(), Misfit.NOTHING),
        (LinkTarget(definition=1, question=2), Misfit.SEVERAL),
        (LinkTarget(word="a", language="en", definition=1), Misfit.SEVERAL),
        (LinkTarget(word="a"), Misfit.HALF_A_WORD),
        (LinkTarget(language="en"), Misfit.HALF_A_WORD),
        (LinkTarget(definition=1, language="en"), Misfit.HALF_A_WORD),
        (LinkTarget(native="de"), Misfit.NATIVE_ALONE),
        (LinkTarget(question=1, native="de"), Misfit.NATIVE_ALONE),
    ],
)
def test_target_is_one_thing(target: LinkTarget, misfit: Misfit | None) -> None:
    assert find_misfit(target) is misfit
