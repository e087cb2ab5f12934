"""Words with their meanings and questions, for the demo's learners."""

from __future__ import annotations

from typing import NamedTuple


class SampleQuestion(NamedTuple):
    """What is asked; the first of the choices is right, and moves to its letter."""

    text: str
    choices: tuple[str, str, str, str]
    letter: str
    clip: str | None = None


class SampleWord(NamedTuple):
    """A word, what it means, and the clips that show it."""

    word: str
    text: str
    clips: tuple[str, ...]
    questions: tuple[SampleQuestion, ...]


CHINESE = (
    SampleWord(
        "rise",
        "上升，升起",
        ("rise_sun.mp4",),
        (
            SampleQuestion(
                "What does the sun do?",
                ("它升起来了。", "它落下去了。", "它变小了。", "它一闪一闪。"),
                "C",
            ),
            SampleQuestion(
                "Which word is the opposite of “rise”?",
                ("sink 下沉", "grow 变大", "follow 跟随", "shine 发光"),
                "B",
            ),
        ),
    ),
    SampleWord(
        "bounce",
        "弹起，反弹",
        ("bounce_ball.mp4",),
        (
            SampleQuestion(
                "What does the ball do?",
                (
                    "它落地后又弹起来。",
                    "它沉到水里。",
                    "它停着不动。",
                    "它滚出了画面。",
                ),
                "A",
                "bounce_ball.mp4",
            ),
        ),
    ),
    SampleWord(
        "sink",
        "下沉，沉没",
        ("sink_ball.mp4",),
        (
            SampleQuestion(
                "Where is the ball at the end?",
                ("在水下", "在空中", "在岸上", "在船里"),
                "D",
                "sink_ball.mp4",
            ),
        ),
    ),
    SampleWord(
        "beautiful",
        "漂亮的，美丽的",
        ("beautiful_sunset.mp4", "beautiful_flower.mp4"),
        (
            SampleQuestion(
                "What does this mean?", ("漂亮的", "丑陋的", "普通的", "特殊的"), "A"
            ),
        ),
    ),
    SampleWord(
        "overtake",
        "超过，追上并越过",
        ("overtake_cars.mp4",),
        (
            SampleQuestion(
                "Which car overtakes the other?",
                (
                    "红车超过蓝车。",
                    "蓝车超过红车。",
                    "两辆车一样快。",
                    "两辆车都没有动。",
                ),
                "B",
                "overtake_cars.mp4",
            ),
        ),
    ),
    SampleWord(
        "patience",
        "耐心；在等待、遇到困难或受到打扰的时候，仍然能够保持平静、不急躁、不抱怨的能力",
        (),
        (
            SampleQuestion(
                "Which sentence is right?",
                (
                    "She waited with patience.",
                    "She ate the patience.",
                    "He patienced the door.",
                    "It is raining patience.",
                ),
                "C",
            ),
        ),
    ),
    SampleWord(
        "collide",
        "相撞，碰撞",
        ("collide_balls.mp4",),
        (
            SampleQuestion(
                "What do the two balls do?",
                (
                    "它们撞在一起。",
                    "它们互相追赶。",
                    "它们越变越大。",
                    "它们一起沉下去。",
                ),
                "D",
            ),
        ),
    ),
    SampleWord(
        "shrink",
        "缩小，收缩",
        ("shrink_disc.mp4",),
        (
            SampleQuestion(
                "What happens to the disc?",
                ("它变小了。", "它变大了。", "它变红了。", "它升高了。"),
                "B",
            ),
        ),
    ),
    SampleWord(
        "follow",
        "跟随，跟着",
        ("follow_ball.mp4",),
        (
            SampleQuestion(
                "Which ball follows the other?",
                (
                    "小红球跟着大蓝球。",
                    "大蓝球跟着小红球。",
                    "没有球在动。",
                    "两个球各走各的。",
                ),
                "A",
                "follow_ball.mp4",
            ),
        ),
    ),
    SampleWord(
        "blink",
        "闪烁；眨眼",
        ("blink_lamp.mp4",),
        (
            SampleQuestion(
                "What does the lamp do?",
                ("它一亮一灭。", "它一直亮着。", "它掉下来了。", "它越来越小。"),
                "C",
            ),
        ),
    ),
)
ARABIC = (
    SampleWord(
        "rise",
        "يرتفع، يصعد",
        ("rise_sun.mp4",),
        (
            SampleQuestion(
                "What does the sun do?",
                ("تشرق", "تغرب", "تصغر", "تومض"),
                "B",
            ),
        ),
    ),
    SampleWord(
        "bounce",
        "يرتدّ، يقفز",
        ("bounce_ball.mp4",),
        (
            SampleQuestion(
                "What does the ball do?",
                ("ترتدّ عن الأرض", "تغرق في الماء", "تقف ساكنة", "تصغر"),
                "A",
                "bounce_ball.mp4",
            ),
        ),
    ),
    SampleWord(
        "patience",
        "صبر",
        (),
        (SampleQuestion("What does this mean?", ("صبر", "غضب", "سرعة", "خوف"), "D"),),
    ),
)
VOCABULARY = {"zh": CHINESE, "ar": ARABIC}
