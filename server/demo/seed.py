"""Fill the demo's database: sample clips, and learners whose words they show."""

from __future__ import annotations

from contextlib import closing

from server.demo.learners import add_learners
from server.demo.samples import SAMPLES, make_samples
from server.errors import Fault
from server.library.imports.files import import_paths
from server.library.output import announce
from server.library.report import count_noun
from server.library.temporary import temporary_folder
from server.postgres.plain import connect
from server.postgres.queries import queries


def seed(url: str) -> None:
    """Add the clips and learners that the database lacks; the learners show clips."""
    import_samples(url)
    add_learners(url)


def import_samples(url: str) -> None:
    """Make the sample clips that the table lacks, and import them."""
    names = [sample.filename for sample in SAMPLES]
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(queries()["list_known"], {"names": names})
        known = {name for (name,) in cursor.fetchall()}
    missing = [sample for sample in SAMPLES if sample.filename not in known]
    if not missing:
        return
    announce(f"Making {count_noun(len(missing), 'sample clip')} …")
    with temporary_folder() as folder:
        for row in import_paths(url, make_samples(folder, missing)):
            if row.error:
                raise Fault(row.error)
