"""Which words a clip is for, by its file name. No I/O."""

import re
import unicodedata

from server.library.suffixes import VIDEO_SUFFIXES

LEAST_SCORE = 0.6  # a word that is less like a name is not suggested for it
SURE_SCORE = 0.9  # from here on nobody need look

# pages/admin/naming.js has this rule too; tests/pages/test_shared_rules.py compares
# them.
_SUFFIX = re.compile(rf"({'|'.join(map(re.escape, VIDEO_SUFFIXES))})\Z", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s_\u2010\u2011-]+")  # the hyphens, of which two are no ASCII


def word_candidates(filename: str) -> list[str]:
    """Return the keys of the words that a file may be for, the most telling first.

    The rule is {word}_{descriptor}.mp4 or {word}.mp4. A word with spaces or hyphens
    has hyphens, underscores or spaces in the file name. As underscores are in a
    descriptor too, the longest beginning that is a known word is meant:
    ice_cream_cone.mp4 is for “ice cream” if there is such a word, else for “ice”.
    """
    name = re.split(r"[/\\]", filename)[-1]
    parts = _SUFFIX.sub("", name).split("_")
    keys = (word_key("_".join(parts[:end])) for end in range(len(parts), 0, -1))
    return [key for key in dict.fromkeys(keys) if key]


def word_key(word: str) -> str:
    """Return what is the same for a word and for each way to write it in a file name.

    Case, kinds of apostrophe, and spaces, hyphens or underscores make no difference.
    """
    plain = unicodedata.normalize("NFC", word).replace("\u2019", "'")
    return _BETWEEN.sub(" ", unicodedata.normalize("NFC", plain.casefold())).strip()
