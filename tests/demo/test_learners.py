"""The demo's learners: what they practise shows something, and comes once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from server.demo import scenes
from server.demo.canvas import Canvas
from server.demo.learners import LEARNERS, add_learners, list_choices
from server.demo.samples import SAMPLES
from server.demo.vocabulary import VOCABULARY
from server.practice.batch import list_learners
from tests.conftest import insert_video
from tests.postgres.test_schema import run
from tests.practice.test_batch import read_words

if TYPE_CHECKING:
    from server.demo.scenes import Scene
    from tests.conftest import Served

SCENES = [sample.scene for sample in SAMPLES if sample.scene]
WORDS = [word for words in VOCABULARY.values() for word in words]


async def test_learners_have_something_to_practise(served: Served) -> None:
    for sample in SAMPLES:
        insert_video(served.database_url, sample.filename, b"v")
    add_learners(served.database_url)
    due = await list_learners(served.store.database)
    assert due == [
        ("11111111-1111-4111-8111-111111111111", 10),
        ("22222222-2222-4222-8222-222222222222", 3),
        ("33333333-3333-4333-8333-333333333333", 0),
    ]
    words = await read_words(served, LEARNERS[0].user_id)
    assert [word["word"] for word in words] == list(LEARNERS[0].words)
    assert words[0]["definition"]["text"] == "上升，升起"
    assert [word["word"] for word in words if not word["definition"]["video_id"]] == [
        "patience"
    ]
    assert [word["word"] for word in words if "video_ids" in word["definition"]] == [
        "beautiful"
    ]
    for question in (question for word in words for question in word["questions"]):
        assert [choice["id"] for choice in question["choices"]] == list("ABCD")
        assert len({choice["text"] for choice in question["choices"]}) == 4
        assert question["correct_answer"] in "ABCD"


def test_second_start_adds_nothing(database_url: str) -> None:
    tables = ["definitions", "test_questions", "saved_words", "definition_videos"]
    add_learners(database_url)
    first = [run(database_url, f"TABLE {table}") for table in tables]
    run(database_url, "UPDATE saved_words SET next_review_date = 'infinity'")
    dates = run(database_url, "TABLE saved_words")
    add_learners(database_url)
    again = [run(database_url, f"TABLE {table}") for table in tables]
    assert again == [*first[:2], dates, first[3]]


def test_right_choice_stands_at_its_letter() -> None:
    for question in (question for word in WORDS for question in word.questions):
        texts = {choice["id"]: choice["text"] for choice in list_choices(question)}
        assert texts[question.letter] == question.choices[0]


def test_clips_of_words_are_made_by_the_demo() -> None:
    made = {sample.filename for sample in SAMPLES}
    for word in WORDS:
        assert set(word.clips) <= made
        assert {question.clip for question in word.questions} <= {*made, None}


def test_learners_keep_words_with_a_meaning() -> None:
    for learner in LEARNERS:
        assert set(learner.words) <= {word.word for word in VOCABULARY[learner.native]}
        script = {"zh": r"[\u4e00-\u9fff]", "ar": r"[\u0600-\u06ff]"}[learner.native]
        assert all(re.match(script, word.text) for word in VOCABULARY[learner.native])


def paint(scene: Scene, at: float, width: int = 320, height: int = 180) -> bytes:
    canvas = Canvas(width, height)
    sizes = [len(plane) for plane in canvas.planes]
    scene(canvas, width, height, at)
    assert [len(plane) for plane in canvas.planes] == sizes  # nothing stuck out
    return b"".join(canvas.planes)


@pytest.mark.parametrize("scene", SCENES)
def test_scene_moves_within_its_picture(scene: Scene) -> None:
    pictures = [paint(scene, step / 12) for step in range(13)]
    assert len(set(pictures)) > 1
    assert all(pictures.count(picture) < 8 for picture in pictures)
    for size in ((640, 360), (64, 64), (180, 320)):
        for step in range(0, 13, 3):
            paint(scene, step / 12, *size)


def test_every_scene_is_shown() -> None:
    painters = {name for name in dir(scenes) if name.startswith("paint_")}
    assert {scene.__name__ for scene in SCENES} == painters
