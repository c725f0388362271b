"""The files of one synthetic recording, as BEAT's own look: wav, TextGrid, csv and txt (BVH and json have their writers elsewhere)."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from dataloaders.corpora.synthetic_speech import SAMPLE_RATE, Speech
from dataloaders.labels import EMOTIONS
from emage.motion.atomic import write_text_atomic

BEAT_GESTURE = ("01_beat_align", 0.1)  # BEAT's label and score of speech without a gesture of its own
KEYWORD_LABEL_S = (0.35, 0.55)  # a label reaches from before its word, where the hand rises, to behind it

Interval = tuple[str, float, float]


def write_wav(path: Path, waveform: np.ndarray) -> None:
    """Writes 16 kHz mono 16-bit PCM; the file is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    soundfile.write(temporary, waveform, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    os.replace(temporary, path)


def write_textgrid(path: Path, speech: Speech, *, seconds: float) -> None:
    """Writes the tiers `words` (lower case, no punctuation) and `phones` (IPA without stress); silence is "" in both."""
    words = [(word.text.lower(), word.start_s, word.end_s) for word in speech.words]
    phones = [(phone.ipa, phone.start_s, phone.end_s) for phone in speech.phones]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds:g}"]
    lines += ["tiers? <exists>", "size = 2", "item []:"]
    for number, (name, marks) in enumerate((("words", words), ("phones", phones)), start=1):
        intervals = _with_silence(marks, seconds)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {seconds:g}", f"        intervals: size = {len(intervals)}"]
        for i, (text, start_s, end_s) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{i}]:",
                f"            xmin = {start_s:.7g}",
                f"            xmax = {end_s:.7g}",
            ]
            lines += [f'            text = "{text}"']
    write_text_atomic(path, "\n".join(lines) + "\n")


def write_emotion_csv(path: Path, emotion: int, *, seconds: float) -> None:
    """One row: name, start, end, duration, number of the emotion."""
    write_text_atomic(path, f"{emotion:02d}_{EMOTIONS[emotion]},0,{seconds:g},{seconds:g},{emotion}\n")


def write_semantic_txt(path: Path, speech: Speech, *, seconds: float) -> None:
    """Rows of type, start, end, duration, score, keyword: gestures around their keywords, beats between them."""
    rows: list[tuple[str, float, float, float, str]] = []
    reached_s = 0.0
    for word in speech.words:
        if not word.script.is_keyword:
            continue
        start_s, end_s = word.start_s - KEYWORD_LABEL_S[0], min(word.end_s + KEYWORD_LABEL_S[1], seconds)
        if start_s > reached_s:
            rows.append((BEAT_GESTURE[0], reached_s, start_s, BEAT_GESTURE[1], ""))
        rows.append((word.script.keyword.semantic_type, start_s, end_s, word.script.keyword.score, word.text))
        reached_s = end_s
    if reached_s < seconds:
        rows.append((BEAT_GESTURE[0], reached_s, seconds, BEAT_GESTURE[1], ""))
    lines = [f"{kind}\t{a:.3f}\t{b:.3f}\t{b - a:.3f}\t{score:g}\t{keyword}" for kind, a, b, score, keyword in rows]
    write_text_atomic(path, "\n".join(lines) + "\n")


def _with_silence(marks: Iterable[Interval], seconds: float) -> list[Interval]:
    """Fills the gaps with "", so that the intervals cover the whole recording as Praat demands."""
    filled: list[Interval] = []
    reached_s = 0.0
    for text, start_s, end_s in marks:
        if start_s > reached_s:
            filled.append(("", reached_s, start_s))
        filled.append((text, start_s, end_s))
        reached_s = end_s
    if reached_s < seconds:
        filled.append(("", reached_s, seconds))
    return filled
