from __future__ import annotations

import pytest
from psycopg2 import Error, OperationalError, errors

from server.postgres.sqlstate import PlanOutdated, build_error

CHECKED = "RevalidateCachedQuery"


@pytest.mark.parametrize(
    ("code", "routine", "kind"),
    [
        ("0A000", CHECKED, PlanOutdated),
        ("0A000", "numeric_int8", errors.FeatureNotSupported),
        ("0A000", "", errors.FeatureNotSupported),
        ("42804", CHECKED, errors.DatatypeMismatch),
        ("ZZ999", "", OperationalError),
        ("", "", OperationalError),
    ],
)
def test_only_a_checked_plan_is_outdated(
    code: str, routine: str, kind: type[Error]
) -> None:
    error = build_error(code, routine, "what it said")
    assert type(error) is kind
    assert (str(error), error.pgcode) == ("what it said", code or None)
