"""The synthetic speakers in the layouts of other corpora: EMOCA codes and SingingHead, for training beside BEAT.

The mouth follows the same phones by the same rules as in the BEAT layout (`synthetic_face`); what differs is what
differs between real corpora: other people, other sentences, other voices, codes in place of weights, another frame
rate, and a tracker's noise. Speech in the SingingHead layout is slower and wider, over a soft chord.

The same arguments give the same bytes. `tools/make_corpus.py --layout emoca` (or singinghead) is the command.

Shapes: T frames, S samples.
"""

import dataclasses
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dataloaders.corpora.synthetic_face import FACE_FPS, make_face
from dataloaders.corpora.synthetic_face_files import (
    archive_segments,
    is_segment_there,
    is_sequence_there,
    write_segment,
    write_sequence,
)
from dataloaders.corpora.synthetic_flame import (
    EXPRESSION_JITTER,
    ROTATION_JITTER_RAD,
    arkit_to_codes,
    head_motion,
    speaker_gains,
    with_jitter,
)
from dataloaders.corpora.synthetic_plan import SPEAKER_NAMES, CorpusArguments, RecordingPlan, plan_recordings
from dataloaders.corpora.synthetic_speech import SAMPLE_RATE, draw_voice, speak_script
from dataloaders.corpora.synthetic_text import write_script
from dataloaders.labels import EMOTIONS
from emage.errors import InputError
from emage.motion.resample import resample_linear

LAYOUTS = ("emoca", "singinghead")
EMOCA_FPS, SINGING_FPS, SINGING_S = 25, 30, 8.0
SINGING_RATE, SINGING_WIDTH = 0.7, 1.25  # of speech: slower, the mouth wider open
CHORD_HZ, CHORD_GAIN = (130.8, 164.8, 196.0), 0.03
TEST_SHARE, VAL_SHARE = 0.15, 0.1  # of the speakers, at least one for test where there are two
_SECONDS_PER_SENTENCE = 1.4


@dataclass(frozen=True)
class TrackedFace:
    """What a corpus of codes has of one recording: expression (T, 50), head, neck and jaw (T, 3), sound and music (S,)."""

    expression: np.ndarray
    head: np.ndarray
    neck: np.ndarray
    jaw: np.ndarray
    waveform: np.ndarray
    music: np.ndarray


def face_plans(layout: str, arguments: CorpusArguments) -> list[RecordingPlan]:
    """The recordings of a corpus of codes; their chance has nothing in common with the BEAT layout's of the same seed.

    Raises:
        InputError: segments of SingingHead that are not 8 s long.
    """
    if layout == "singinghead" and arguments.seconds != SINGING_S:
        raise InputError(f"--seconds: got {arguments.seconds:g}; segments of SingingHead last {SINGING_S:g} s")
    salt = zlib.crc32(f"{layout} {arguments.seed}".encode())
    return [dataclasses.replace(plan, seed=salt) for plan in plan_recordings(arguments)]


def track_face(plan: RecordingPlan, layout: str) -> TrackedFace:
    """Makes one recording in memory.

    Raises:
        InputError: espeak-ng is not installed.
    """
    is_song = layout == "singinghead"
    script = write_script(plan.random("script"), int(plan.seconds / _SECONDS_PER_SENTENCE) + 2)
    voice = draw_voice(plan.random("voice"))
    if is_song:
        voice = dataclasses.replace(voice, rate=round(SINGING_RATE * voice.rate))
    speech = speak_script(script, voice, stress_rng=plan.random("stress"), seconds=plan.seconds)
    gains = speaker_gains(plan.speaker, plan.seed) * (SINGING_WIDTH if is_song else 1.0)
    weights = np.clip(make_face(plan, speech).weights * gains, 0, 1)
    fps = SINGING_FPS if is_song else EMOCA_FPS
    num_frames = round(plan.seconds * fps)
    weights = resample_linear(torch.from_numpy(weights), FACE_FPS, fps, num_frames).numpy().clip(0, 1)
    expression, jaw = arkit_to_codes(weights)
    head = head_motion(plan, speech, np.arange(num_frames) / fps)
    rng = plan.random("tracker")
    times_s = np.arange(len(speech.waveform)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * hz * times_s + number) for number, hz in enumerate(CHORD_HZ))
    return TrackedFace(
        with_jitter(expression, EXPRESSION_JITTER, rng),
        *(with_jitter(turn, ROTATION_JITTER_RAD, rng) for turn in (0.6 * head, 0.4 * head, jaw)),
        speech.waveform,
        CHORD_GAIN * chord,
    )


def is_there(out: Path, layout: str, plan: RecordingPlan, arguments: CorpusArguments) -> bool:
    """Whether a recording is written already."""
    if layout == "emoca":
        return is_sequence_there(out / _emoca_place(plan, arguments))
    return is_segment_there(out, _singing_id(plan))


def write_face(out: Path, layout: str, plan: RecordingPlan, arguments: CorpusArguments) -> None:
    """Makes and writes one recording."""
    face = track_face(plan, layout)
    if layout == "emoca":
        write_sequence(out / _emoca_place(plan, arguments), face, rng=plan.random("files"))
    else:
        write_segment(out, _singing_id(plan), face)


def finish(out: Path, layout: str, arguments: CorpusArguments) -> None:
    """What can only be written when every recording is there: SingingHead's lists and zips."""
    if layout == "singinghead":
        plans = face_plans(layout, arguments)
        by_split: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for plan in plans:
            by_split[_split(plan, arguments)].append(_singing_id(plan))
        archive_segments(out, by_split)


def _split(plan: RecordingPlan, arguments: CorpusArguments) -> str:
    """By speaker: the last ones are test, those before them val."""
    labels = list(SPEAKER_NAMES)[: arguments.num_speakers]
    place, count = labels.index(plan.speaker), len(labels)
    num_test = max(int(count > 1), round(TEST_SHARE * count))
    num_val = max(int(count > 2), round(VAL_SHARE * count))
    if place >= count - num_test:
        return "test"
    return "val" if place >= count - num_test - num_val else "train"


def _person(plan: RecordingPlan) -> int:
    return list(SPEAKER_NAMES).index(plan.speaker)


def _emoca_place(plan: RecordingPlan, arguments: CorpusArguments) -> Path:
    """Folder of a sequence below the root; ids are those of MEAD, which tell speaker and emotion."""
    folder = "testset" if _split(plan, arguments) == "test" else "trainset"
    return Path(folder, "V2-MEAD", f"V2-M{101 + _person(plan)}-{EMOTIONS[plan.emotion]}-{plan.number:05d}")


def _singing_id(plan: RecordingPlan) -> str:
    return f"id{_person(plan)}_{plan.number}_0_0"
