"""Measures, on a trained generator, every cause of the synthetic corpus: swap one input, and see whether just its effect changes.

Each condition generates the test recordings once more with one thing changed; docs/results/synthetic.md shows the rows.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cause_recordings import CauseRecording, Moves, moves_of, other_keyword, read_recordings
from cause_rows import LARGE, SMALL, CauseRows
from editing import measure_editing
from tqdm import tqdm

from dataloaders.corpora.synthetic_people import EMOTION_STYLES
from dataloaders.corpus import Corpus
from emage.config import GenerationConfig, load_config
from emage.errors import InputError, one_line_errors
from emage.generation import Generator, load_pretrained
from emage.motion.atomic import write_text_atomic
from emage.text import Word

EXAMPLE = """
example:
  python tools/causes.py -c configs/demo/masked_transformer.yaml --checkpoint runs/demo/masked_transformer/best \\
      --out runs/demo/masked_transformer/causes.json
"""
EMOTION_LABELS = {style.name: label for label, style in enumerate(EMOTION_STYLES)}
OTHER_HAND = {"right": "left", "left": "right"}
MATCHED = "matched"


@dataclass(frozen=True)
class Inputs:
    """What the generator is given for a recording, and what is held back."""

    waveform: Any
    words: list[Word]
    speaker: str
    emotion: Any
    without: tuple[str, ...] = ()


def inputs_of(recording: CauseRecording) -> Inputs:
    """A recording's own inputs."""
    return Inputs(recording.waveform, recording.words, recording.speaker, recording.emotion)


def with_words(recording: CauseRecording, text_of: Callable[..., str]) -> Inputs:
    """Other words in the slots, in the same sound at the same times; `text_of(slot)` gives them."""
    words = list(recording.words)
    for slot in recording.slots:
        words[slot.word] = words[slot.word]._replace(text=text_of(slot))
    return dataclasses.replace(inputs_of(recording), words=words)


def swapped_speaker(recording: CauseRecording, recordings: Sequence[CauseRecording]) -> str:
    """A speaker who uses the other hand; of somebody who uses both, a left-handed one."""
    hand = OTHER_HAND.get(recording.handedness, "left")
    found = sorted({other.speaker for other in recordings if other.handedness == hand})
    if not found:
        raise InputError(f"causes: no {hand}-handed speaker among the recordings; take more of them")
    return found[0]


def conditions(recordings: Sequence[CauseRecording]) -> dict[str, list[Inputs]]:
    """Every condition: what each recording is generated from."""
    own = [inputs_of(recording) for recording in recordings]
    strangers = own[1:] + own[:1]

    def each(**changes: Any) -> list[Inputs]:
        return [dataclasses.replace(inputs, **changes) for inputs in own]

    return {
        MATCHED: own,
        "mismatched": [
            dataclasses.replace(inputs, waveform=other.waveform, words=other.words)
            for inputs, other in zip(own, strangers, strict=True)
        ],
        "without_words": each(without=("words",)),
        "without_audio_and_words": each(without=("audio", "words")),
        "homophones_swapped": [
            with_words(r, lambda slot: slot.keyword.twin if slot.is_keyword else slot.keyword.word) for r in recordings
        ],
        "other_keyword": [
            with_words(r, lambda slot: other_keyword(slot.keyword.word) if slot.is_keyword else slot.keyword.twin)
            for r in recordings
        ],
        LARGE: each(emotion=EMOTION_LABELS[LARGE]),
        SMALL: each(emotion=EMOTION_LABELS[SMALL]),
        "speaker_swapped": [
            dataclasses.replace(inputs, speaker=swapped_speaker(recording, recordings))
            for inputs, recording in zip(own, recordings, strict=True)
        ],
    }


def perform(
    generator: Generator,
    recordings: Sequence[CauseRecording],
    given: Sequence[Inputs],
    *,
    options: GenerationConfig | None,
    seed: int = 0,
) -> list[Moves]:
    """Generates every recording; each lasts as long as its own speech."""
    moves = []
    for recording, inputs in zip(recordings, given, strict=True):
        performance = generator.generate(
            _as_long_as(recording, inputs.waveform),
            generator.sample_rate,
            words=inputs.words,
            speaker=inputs.speaker,
            emotion=inputs.emotion,
            without=inputs.without,
            seed=seed,
            options=options,
        )
        moves.append(moves_of(performance))
    return moves


def _as_long_as(recording: CauseRecording, waveform: Any) -> Any:
    samples = len(recording.waveform)
    if len(waveform) < samples:
        raise InputError(f"causes: {recording.id}: the recording beside it is shorter; give recordings of one length")
    return waveform[:samples]


def measure_causes(
    generator: Generator,
    corpus: Corpus,
    *,
    options: GenerationConfig | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """All rows of one generator.

    Args:
        generator: of any kind; a CaMN leaves no input out and takes no given motion, so these rows are missing.
        corpus: the synthetic one, with its causes.
        options: how a masked transformer decodes; None: as its checkpoint says.
        limit: at most so many test recordings.
        seed: of the generation and of the intervals.

    Returns:
        Plain values for json: a row for each cause (see CauseRows), `editing`, how many recordings and CPU seconds.
    """
    started = time.process_time()
    recordings = read_recordings(corpus, "test", limit)
    rows = CauseRows(recordings, read_recordings(corpus, "train"), seed=seed)
    completes = generator.completer is not None
    options = options if completes else None
    moves = {}
    for name, given in tqdm(conditions(recordings).items(), "causes", unit="condition", disable=None):
        if completes or not any(inputs.without for inputs in given):
            moves[name] = perform(generator, recordings, given, options=options, seed=seed)
    found = rows.measure(moves)
    if completes:
        found["editing"] = measure_editing(generator, recordings, options=options, seed=seed)
    return {**found, "recordings": len(recordings), "cpu_s": round(time.process_time() - started, 1)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-c", "--config", required=True, metavar="FILE", help="YAML file that the model was trained with")
    add("--checkpoint", required=True, metavar="DIR", help="a trained generator")
    add("--out", required=True, type=Path, metavar="FILE", help="json file to be written")
    add("--recordings", type=int, metavar="N", help="at most so many test recordings; default: all")
    add("overrides", nargs="*", metavar="key=value", help="config values, e.g. generation.steps=1")
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    arguments = _parser().parse_intermixed_args(argv)
    config = load_config(arguments.config, arguments.overrides)
    rows = measure_causes(
        load_pretrained(arguments.checkpoint),
        Corpus.open(config),
        options=config.generation,
        limit=arguments.recordings,
        seed=config.seed,
    )
    write_text_atomic(arguments.out, json.dumps(rows, indent=1) + "\n")
    print(f"written: {arguments.out} ({rows['recordings']} recordings, {rows['cpu_s']:.0f} s of one core)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
