"""Measures the model inside the package on real speech: do strokes and mouth follow it, does it idle in silence and in noise?

Reads the wav and TextGrid of a recording in BEAT2's layout, by default the one that may lie beside the project (research data; only
numbers are written). Motion is made for the true sound and scored against it and against circular shifts of it of at least 2 s.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from cause_measures import hand_speed_cm_s
from speech_following import MEASURES, Following, Listener, summarise

from emage.audio import SAMPLE_RATE, read_audio
from emage.errors import InputError, one_line_errors
from emage.export import performance_to_bvh
from emage.generation import Generator, load_pretrained
from emage.motion.atomic import write_text_atomic
from emage.motion.layout import ARKIT_51
from emage.pretrained import DEFAULT_NAME
from emage.text import Word
from emage.words import align_text, read_words, spoken

EXAMPLE = """
examples:
  python tools/evaluate_pretrained.py
  python tools/evaluate_pretrained.py --checkpoint runs/demo/masked_transformer/best --seeds 5 --out runs/demo/real_speech.md
"""
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "beat2_sample"
ODD_S, ODD_SEEDS = 20.0, 3
CONTROL = "sound held back"


def conditions(speech: np.ndarray, words: list[Word]) -> dict[str, dict[str, Any]]:
    """What the model is given beside the speaker: arguments of `generate` by name."""
    aligned = align_text(" ".join(word.text for word in words), speech, SAMPLE_RATE)
    return {
        "sound alone": {},
        "sound and transcript (aligned here)": {"words": spoken(aligned.words)},
        "sound and TextGrid": {"words": words},
        CONTROL: {"without": ("audio",)},
    }


def measure_following(
    generator: Generator, speech: np.ndarray, words: list[Word], *, num_seeds: int, num_shifts: int
) -> dict[str, dict[str, Following]]:
    """Condition -> measure -> numbers."""
    listener = Listener(speech, SAMPLE_RATE, generator.fps, num_shifts)
    found = {}
    for name, options in conditions(speech, words).items():
        rows = []
        for seed in range(num_seeds):
            rows.append(listener.scores(generator.generate(speech, SAMPLE_RATE, seed=seed, **options)))
        found[name] = {measure: summarise(np.stack([row[measure] for row in rows])) for measure in rows[0]}
    return found


def odd_sounds(speech: np.ndarray) -> dict[str, np.ndarray]:
    """Sounds of ODD_S seconds by name: the speech at several levels and qualities, and what is no speech."""
    num_samples = round(ODD_S * SAMPLE_RATE)
    rng, times_s = np.random.default_rng(0), np.arange(num_samples) / SAMPLE_RATE
    noise, part = rng.standard_normal(num_samples), np.resize(speech, num_samples)
    rms = float(np.sqrt(np.square(part).mean()))
    return {
        "speech": part,
        "speech at a tenth of the level": 0.1 * part,
        "speech, clipped hard": np.clip(20 * part, -1, 1),
        "speech in white noise, 20 dB below it": part + 0.1 * rms * noise,
        "silence": np.zeros(num_samples),
        "white noise, RMS 0.01": 0.01 * noise,
        "white noise, RMS 0.1": 0.1 * noise,
        "hum of 50 Hz, RMS 0.07": 0.1 * np.sin(2 * np.pi * 50 * times_s),
    }


def measure_odd(generator: Generator, speech: np.ndarray) -> dict[str, dict[str, float]]:
    """Sound -> mean speed of the hands against the chest (cm/s), mean and spread of jawOpen."""
    found = {}
    for name, sound in odd_sounds(speech).items():
        rows = []
        for seed in range(ODD_SEEDS):
            performance = generator.generate(sound.astype(np.float32), SAMPLE_RATE, seed=seed)
            body = performance_to_bvh(performance)
            speed = hand_speed_cm_s(body.positions().numpy(), body.names, performance.fps)
            jaw = performance.face[:, ARKIT_51.index("jawOpen")].numpy()
            rows.append((speed.mean(), jaw.mean(), jaw.std()))
        hands, jaw_mean, jaw_std = np.mean(rows, axis=0).tolist()
        found[name] = {"hands_cm_s": hands, "jaw_mean": jaw_mean, "jaw_std": jaw_std}
    return found


def page(result: dict[str, Any]) -> str:
    """docs/results/pretrained.md."""
    lines = [
        "# The built-in model on real speech",
        "",
        f"`python tools/evaluate_pretrained.py`; model `{result['model']}` ({result['megabytes']:.1f} MB,"
        f" {result['steps']} steps), one recording of {result['duration_s']:.1f} s of English by one speaker"
        " (BEAT2's sample beside the project, not part of it).",
        f"Motion is made for the true sound ({result['num_seeds']} seeds, speaker `{result['speaker']}`) and scored against"
        f" it and against {result['num_shifts']} circular shifts of it of 2 s and more: what rhythm alone gives.",
        "The interval draws the seeds again; p is the share of shifts (the true sound counted in) that fit at least as well, so"
        f" {1 / (1 + result['num_shifts']):.3f} is the smallest there is. One recording does not show how recordings differ.",
        "",
    ]
    for measure, title in MEASURES.items():
        lines += [
            f"## {title[0].upper()}{title[1:]}",
            "| the model is given | true sound | shifted | highest shift | excess (95 %) | seeds above | p |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, found in result["following"].items():
            row = found[measure]
            lines.append(
                f"| {name} | {row.matched:.3f} | {row.shifted:.3f} | {row.highest_shifted:.3f} | {row.excess:+.4f}"
                f" ({row.low:+.4f} to {row.high:+.4f}) | {row.seeds_above} of {row.num_seeds} | {row.p_value:.3f} |"
            )
        lines.append("")
    lines += [
        "Beat alignment is the corrected one of [metrics.md](../metrics.md) (sigma 0.1 s); the loudness is the RMS of 50 ms."
        f" `{CONTROL}` is the control: a model that hears nothing cannot follow.",
        "",
        f"## What is no speech ({ODD_S:g} s, {ODD_SEEDS} seeds)",
        "| sound | hands against the chest, cm/s | jawOpen, mean | its spread |",
        "| --- | --- | --- | --- |",
    ]
    for name, row in result["odd"].items():
        lines.append(f"| {name} | {row['hands_cm_s']:.1f} | {row['jaw_mean']:.3f} | {row['jaw_std']:.3f} |")
    lines += ["", f"Measured in {result['cpu_s']:.0f} s of one CPU core."]
    return "\n".join(lines) + "\n"


def evaluate_pretrained(generator: Generator, data: Path, *, num_seeds: int, num_shifts: int) -> dict[str, Any]:
    """All numbers of the page."""
    began = time.process_time()
    speech = read_audio(next((data / "wave16k").glob("*.wav")), SAMPLE_RATE)
    words = spoken(read_words(next((data / "textgrid").glob("*.TextGrid"))))
    return {
        "duration_s": len(speech) / SAMPLE_RATE,
        "speaker": generator.bundle.speakers.labels[0],
        "steps": generator.bundle.info.get("steps", 0),
        "num_seeds": num_seeds,
        "num_shifts": num_shifts,
        "following": measure_following(generator, speech, words, num_seeds=num_seeds, num_shifts=num_shifts),
        "odd": measure_odd(generator, speech),
        "cpu_s": time.process_time() - began,
    }


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command; without the recording it says so and ends with 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", default=DEFAULT_NAME, metavar="DIR", help="a model of the package or a folder (%(default)s)")
    add("--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="with wave16k/ and textgrid/ (%(default)s)")
    add("--out", type=Path, default=Path("docs/results/pretrained.md"), metavar="FILE", help="(%(default)s)")
    add("--seeds", type=int, default=20, metavar="N", help="generations (%(default)s)")
    add("--shifts", type=int, default=20, metavar="N", help="circular shifts (%(default)s)")
    arguments = parser.parse_args(argv)
    if min(arguments.seeds, arguments.shifts) < 2:
        raise InputError("--seeds, --shifts: at least 2 of each are needed")
    if not arguments.data.is_dir():
        print(f"skipped: {arguments.data} is not there; name a folder with wave16k/ and textgrid/ by --data")
        return 0
    generator = load_pretrained(arguments.checkpoint)
    result = evaluate_pretrained(generator, arguments.data, num_seeds=arguments.seeds, num_shifts=arguments.shifts)
    num_bytes = sum(value.numel() * value.element_size() for value in generator.model.state_dict().values())
    result |= {"model": arguments.checkpoint, "megabytes": num_bytes / 1e6}
    write_text_atomic(arguments.out, page(result))
    numbers = {name: {key: asdict(row) for key, row in found.items()} for name, found in result["following"].items()}
    print(json.dumps({"following": numbers, "odd": result["odd"]}, indent=1))
    print(f"written: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
