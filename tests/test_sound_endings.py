import re
from pathlib import Path

import emage.audio
from emage.sound_endings import SOUND_ENDINGS, SOUND_HELP, VIDEO_ENDINGS

ROOT = Path(__file__).resolve().parents[1]


def test_every_format_of_the_help_is_in_the_list():
    named = set(re.findall(r"\w+", SOUND_HELP)) - {"or", "the", "sound", "of", "a"}
    assert named <= {ending[1:] for ending in SOUND_ENDINGS + VIDEO_ENDINGS}
    assert not set(SOUND_ENDINGS) & set(VIDEO_ENDINGS)
    assert emage.audio.SOUND_ENDINGS is SOUND_ENDINGS
    assert emage.audio.VIDEO_ENDINGS is VIDEO_ENDINGS


def test_there_is_no_second_list_of_sound_files():
    lists = []
    for folder in ("emage", "dataloaders", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            endings = re.findall(r'"(\.\w+)"', path.read_text(encoding="utf-8"))
            if len(set(endings) & set(SOUND_ENDINGS)) > 1:
                lists.append(path.relative_to(ROOT).as_posix())
    assert lists == ["emage/sound_endings.py"]
