"""Speech of the synthetic corpus: espeak-ng says a script, and chance decides which of its stressed syllables are loud.

espeak-ng gives the true times of words and phones and marks the stressed vowel of a word. A loud syllable is made by a gain on
the finished sound, so that neither the words nor their times say which syllables are loud: only the audio tells.

Shapes: S samples.
"""

import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr

from dataloaders.corpora.synthetic_text import ScriptWord, script_text, word_positions
from emage.errors import InputError

SAMPLE_RATE = 16000
LEAD_S = 0.7  # silence before the first word: a gesture begins before its syllable
TAIL_S = 0.3  # silence behind the last word
BASE_PEAK = 0.25  # of the whole recording before any syllable is made loud
LOUD_GAIN = 2.8  # 9 dB
RAMP_S = 0.04
MIN_STRESS_GAP_S = 1.0  # between two loud syllables: a stroke needs its preparation
LOUD_SHARE = 0.6  # a coin for each stressed syllable beyond that gap
PAUSE_S = (1.0, 5.0)  # of a speaker who pauses behind a sentence
SLOT_GAP_S = 1.15  # no loud syllable this close to a keyword or its twin
PRIMARY_STRESS = "\u02c8"
_STRESS_MARKS = PRIMARY_STRESS + "\u02cc"

VOICES = ("en-us", "en-us+m1", "en-us+m3", "en-us+m7", "en-us+f1", "en-us+f2", "en-us+f3", "en-us+f4")


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng; drawn for each recording, whoever its speaker is."""

    name: str
    rate: int  # words per minute
    pitch: int  # 0..99 within the voice's range


@dataclass(frozen=True)
class SpokenWord:
    """One word as it was spoken; `script` is what the text meant by it."""

    script: ScriptWord
    start_s: float
    end_s: float

    @property
    def text(self) -> str:
        """The word without punctuation."""
        return self.script.text.strip(".,")


@dataclass(frozen=True)
class SpokenPhone:
    """One phone; `ipa` is free of stress marks, `stress` says what espeak-ng marked (2 primary, 1 secondary, 0 none)."""

    ipa: str
    start_s: float
    end_s: float
    word: int  # index of its word
    stress: int

    @property
    def middle_s(self) -> float:
        """Half way through the phone."""
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True)
class Speech:
    """What is heard. `loud` lists the phones (the vowels of the loud syllables) by index."""

    waveform: np.ndarray  # (S,) float32 at SAMPLE_RATE
    words: list[SpokenWord]
    phones: list[SpokenPhone]
    loud: list[int]


def draw_voice(rng: np.random.Generator) -> Voice:
    """Any voice at any pitch and a moderate rate."""
    return Voice(VOICES[int(rng.integers(len(VOICES)))], int(rng.integers(155, 186)), int(rng.integers(35, 66)))


def draw_pauses(rng: np.random.Generator, script: list[ScriptWord], share: float) -> np.ndarray:
    """Seconds of silence behind each word, (words,): behind a share of the sentences, else 0."""
    ends = np.array([word.text.endswith(".") for word in script])
    paused = ends & (rng.random(len(script)) < share)
    return np.where(paused, rng.uniform(*PAUSE_S, len(script)), 0.0)


def speak_script(
    script: list[ScriptWord],
    voice: Voice,
    *,
    stress_rng: np.random.Generator,
    seconds: float,
    pauses_s: np.ndarray | None = None,
) -> Speech:
    """Speaks a script for so many seconds.

    Args:
        script: long enough to fill them; what does not fit is left out.
        voice: how it sounds.
        stress_rng: decides which stressed syllables are loud.
        seconds: length of the result.
        pauses_s: (words,) silence behind each word, see `draw_pauses`; None: as espeak-ng speaks.

    Raises:
        InputError: espeak-ng is not installed or fails.
    """
    header, pcm = _run_espeak(script_text(script), voice)
    waveform = soxr.resample(pcm.astype(np.float32) / 32768, header["sample_rate"], SAMPLE_RATE)
    words, phones = _align(script, header)
    if pauses_s is not None and pauses_s.any():
        waveform, words, phones = _with_pauses(waveform, words, phones, pauses_s)
    words = [word for word in words if word.end_s <= seconds - TAIL_S]
    phones = [phone for phone in phones if phone.word < len(words)]
    waveform = _cut(waveform, phones[-1].end_s if phones else 0.0, seconds)
    loud = _choose_loud(words, phones, stress_rng)
    return Speech((waveform * _gain(len(waveform), phones, loud)).astype(np.float32), words, phones, loud)


def find_espeak() -> tuple[str, str]:
    """Paths of the espeak-ng library and of its data.

    Raises:
        InputError: the package is missing.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise InputError("espeak-ng, which speaks the synthetic corpus, is missing: pip install -e .[demo]") from error
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())


def _run_espeak(text: str, voice: Voice) -> tuple[dict, np.ndarray]:
    library, data = find_espeak()
    request = {
        "library": library,
        "data": data,
        "voice": voice.name,
        "rate": voice.rate,
        "pitch": voice.pitch,
        "text": text,
    }
    command = [sys.executable, "-I", str(Path(__file__).with_name("espeak_process.py").resolve())]
    result = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, check=False)
    if result.returncode != 0:
        reason = result.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {result.returncode}"]
        raise InputError(f"espeak-ng cannot speak with voice {voice.name!r}: {reason[0]}: pip install -e .[demo]")
    line, _, pcm = result.stdout.partition(b"\n")
    return json.loads(line), np.frombuffer(pcm, dtype="<i2")


def _align(script: list[ScriptWord], header: dict) -> tuple[list[SpokenWord], list[SpokenPhone]]:
    """Times of the recording: espeak's clock plus the silence that leads in."""
    starts = np.array(word_positions(script))
    sample_rate = header["sample_rate"]
    phones: list[SpokenPhone] = []
    stops = [sample for _, sample, _ in header["phones"][1:]] + [header["num_samples"]]
    for (position, sample, ipa), stop in zip(header["phones"], stops, strict=True):
        bare = ipa.lstrip(_STRESS_MARKS)
        if not bare or stop <= sample:  # a pause
            continue
        word = int(np.searchsorted(starts, position, side="right")) - 1
        stress = 2 if ipa.startswith(PRIMARY_STRESS) else int(ipa != bare)
        phones.append(SpokenPhone(bare, LEAD_S + sample / sample_rate, LEAD_S + stop / sample_rate, word, stress))
    phones_of_word: list[list[SpokenPhone]] = [[] for _ in script]
    for phone in phones:
        phones_of_word[phone.word].append(phone)
    words = []
    for script_word, own in zip(script, phones_of_word, strict=True):
        assert own, f"espeak-ng gave no phone for {script_word.text!r}"
        words.append(SpokenWord(script_word, own[0].start_s, own[-1].end_s))
    return words, phones


def _with_pauses(
    waveform: np.ndarray, words: list[SpokenWord], phones: list[SpokenPhone], pauses_s: np.ndarray
) -> tuple[np.ndarray, list[SpokenWord], list[SpokenPhone]]:
    """Silence put in half way between a word and the next one; all that comes later moves."""
    pauses = np.round(pauses_s * SAMPLE_RATE).astype(int)
    pieces, start = [], 0
    for place in np.flatnonzero(pauses[:-1]):
        cut = round(((words[place].end_s + words[place + 1].start_s) / 2 - LEAD_S) * SAMPLE_RATE)
        pieces += [waveform[start:cut], np.zeros(pauses[place], dtype=waveform.dtype)]
        start = cut
    later_s = np.concatenate([[0], np.cumsum(pauses[:-1])]) / SAMPLE_RATE  # (words,)
    moved_words = [
        replace(word, start_s=word.start_s + shift, end_s=word.end_s + shift)
        for word, shift in zip(words, later_s.tolist(), strict=True)
    ]
    moved_phones = [
        replace(phone, start_s=phone.start_s + later_s[phone.word], end_s=phone.end_s + later_s[phone.word])
        for phone in phones
    ]
    return np.concatenate([*pieces, waveform[start:]]), moved_words, moved_phones


def _cut(waveform: np.ndarray, end_s: float, seconds: float) -> np.ndarray:
    """(S,) the lead of silence, the sound up to `end_s` with a short fade, and silence to the end; its peak is BASE_PEAK."""
    samples = np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)
    lead = round(LEAD_S * SAMPLE_RATE)
    fade = round(RAMP_S * SAMPLE_RATE)
    stop = min(round(end_s * SAMPLE_RATE) + fade, lead + len(waveform), len(samples))
    if stop <= lead:
        return samples
    samples[lead:stop] = waveform[: stop - lead]
    samples[stop - fade : stop] *= np.linspace(1, 0, fade, dtype=np.float32)
    return samples * (BASE_PEAK / max(float(np.abs(samples).max()), 1e-6))


def _choose_loud(words: list[SpokenWord], phones: list[SpokenPhone], rng: np.random.Generator) -> list[int]:
    slots_s = np.array([word.start_s for word in words if word.script.keyword])
    loud: list[int] = []
    free_from_s = LEAD_S + 0.4
    for i, phone in enumerate(phones):
        near_slot = (np.abs(slots_s - phone.middle_s) < SLOT_GAP_S).any()
        if phone.stress == 2 and phone.middle_s >= free_from_s and not near_slot and rng.random() < LOUD_SHARE:
            loud.append(i)
            free_from_s = phone.middle_s + MIN_STRESS_GAP_S
    return loud


def _gain(num_samples: int, phones: list[SpokenPhone], loud: list[int]) -> np.ndarray:
    """(S,) 1, and LOUD_GAIN over each loud syllable (its vowel and the consonant before), with smooth flanks."""
    gain = np.ones(num_samples)
    for i in loud:
        starts_with = phones[i - 1] if i and phones[i - 1].word == phones[i].word else phones[i]
        start_s, stop_s = starts_with.start_s - RAMP_S, phones[i].end_s + RAMP_S
        around = slice(max(0, math.floor(start_s * SAMPLE_RATE)), math.ceil(stop_s * SAMPLE_RATE))
        times_s = np.arange(around.start, min(around.stop, num_samples)) / SAMPLE_RATE
        rise = np.clip(np.minimum(times_s - start_s, stop_s - times_s) / RAMP_S, 0, 1)
        gain[around] = np.maximum(gain[around], 1 + (LOUD_GAIN - 1) * (0.5 - 0.5 * np.cos(np.pi * rise)))
    return gain
