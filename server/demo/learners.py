"""Learners with words to practise, for the demo; their clips are those of samples."""

from __future__ import annotations

from contextlib import closing
from json import dumps
from typing import TYPE_CHECKING, NamedTuple

from server.demo.vocabulary import ARABIC, CHINESE, VOCABULARY
from server.postgres.plain import connect
from server.postgres.queries import queries

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

    from server.demo.vocabulary import SampleQuestion, SampleWord

LEARNING = "en"
DAY = 86_400  # seconds


class Learner(NamedTuple):
    """Someone who learns words, due one after the other from due seconds on."""

    user_id: str
    native: str
    due: int
    words: tuple[str, ...]


# One with much to do, one who reads from right to left, one who is done for today.
LEARNERS = (
    Learner(
        "11111111-1111-4111-8111-111111111111",
        "zh",
        due=-DAY,
        words=tuple(word.word for word in CHINESE),
    ),
    Learner(
        "22222222-2222-4222-8222-222222222222",
        "ar",
        due=-DAY,
        words=tuple(word.word for word in ARABIC),
    ),
    Learner(
        "33333333-3333-4333-8333-333333333333",
        "zh",
        due=DAY,
        words=("rise", "sink", "beautiful"),
    ),
)


def add_learners(url: str) -> None:
    """Add the sample learners and their words, all or none; once they are there, none.

    The clips are linked by their names, so they are imported before.
    """
    with closing(connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(queries()["find_learner"], {"user_id": LEARNERS[0].user_id})
        if cursor.fetchone() == (True,):
            return
        for native, words in VOCABULARY.items():
            for word in words:
                _add_word(cursor, word, native)
        for learner in LEARNERS:
            for place, name in enumerate(learner.words):
                values = {
                    "user_id": learner.user_id,
                    "word": name,
                    "learning": LEARNING,
                    "native": learner.native,
                    "seconds": learner.due + place,
                }
                cursor.execute(queries()["add_saved_word"], values)


def _add_word(cursor: Cursor, word: SampleWord, native: str) -> None:
    first, *further = word.clips or (None,)
    definition = {
        "word": word.word,
        "text": word.text,
        "learning": LEARNING,
        "native": native,
        "filename": first,
    }
    cursor.execute(queries()["add_definition"], definition)
    [definition_id] = cursor.fetchone() or ()
    for position, filename in enumerate(further, 1):
        video = {"position": position, "filename": filename}
        cursor.execute(
            queries()["add_definition_video"], {"definition_id": definition_id, **video}
        )
    for question in word.questions:
        values = {
            "definition_id": definition_id,
            "text": question.text,
            "choices": dumps(list_choices(question), ensure_ascii=False),
            "correct_answer": question.letter,
            "filename": question.clip,
        }
        cursor.execute(queries()["add_question"], values)


def list_choices(question: SampleQuestion) -> list[dict[str, str]]:
    """Return the choices by their letters, the right one at its place."""
    right, *wrong = question.choices
    wrong.insert("ABCD".index(question.letter), right)
    return [
        {"id": letter, "text": text} for letter, text in zip("ABCD", wrong, strict=True)
    ]
