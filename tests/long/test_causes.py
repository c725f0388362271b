"""A small masked transformer, trained once on the synthetic corpus, knows its causes: swap one input, just its effect changes.

What each number is, is said in tools/cause_rows.py; all of the test split is measured, with the config's own decoding.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ablation_plan import MASKED, Plan
from ablation_steps import Journal, Runner, claim
from cause_recordings import read_recordings
from causes import measure_causes

from dataloaders.corpus import Corpus
from emage.decoding import CodeDecoder, plan_windows
from emage.export import performance_to_bvh
from emage.generation import Generator, load_pretrained
from emage.metrics.seams import velocity_jumps

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        importlib.util.find_spec("espeakng_loader") is None,
        reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
    ),
]
CONFIG = Path("configs/demo/masked_transformer.yaml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Generator, Corpus]:
    """Corpus, tokenizers and transformer of the demo, trained as `make demo` does."""
    out = tmp_path_factory.mktemp("causes")
    data = (f"data.root={out / 'corpus'}", f"data.cache_dir={out / 'cache'}")
    plan = Plan(CONFIG, out, seeds=(0,), overrides=data)
    config = plan.load()
    with claim(out) as lock:
        runner = Runner(out, Journal(out, {}, "test"), lock)
        for steps in [*plan.prepare(), [plan.masked(0, config.optim.max_steps)]]:
            runner.run(steps)
    return load_pretrained(out / MASKED / "seed_0" / "best"), Corpus.open(config)


@pytest.fixture(scope="module")
def rows(trained) -> dict[str, Any]:
    """The rows of all causes."""
    generator, corpus = trained
    return measure_causes(generator, corpus, options=corpus.config.generation)


def test_strokes_meet_the_stresses(rows):
    stress = rows["stress"]
    assert stress["real"]["share"] > 0.95
    assert stress["matched"]["excess_low"] > 0.25


def test_with_audio_and_words_of_another_recording_they_meet_them_by_chance(rows):
    stress = rows["stress"]
    # Stresses lie at like places in all recordings: the real motion of another one is a little above chance too.
    assert abs(stress["mismatched"]["excess"]) < 0.12
    assert stress["mismatched"]["share"] < 0.5 * stress["matched"]["share"]


def test_without_words_the_beats_are_kept(rows):
    assert rows["stress"]["recall_kept_without_words"] >= 0.8


def test_a_keywords_homophone_in_the_text_removes_its_gesture(rows):
    generated = rows["homophone"]["generated"]
    assert generated["keyword"]["excess_low"] > 0
    assert generated["keyword"]["low"] > generated["keyword_made_twin"]["high"]
    assert generated["keyword_made_twin"]["excess"] <= 0.05


def test_a_keyword_in_the_text_of_its_homophone_brings_its_gesture(rows):
    generated = rows["homophone"]["generated"]
    assert generated["twin"]["excess"] <= 0.05
    assert generated["twin_made_keyword"]["excess_low"] > 0
    assert generated["twin_made_keyword"]["low"] > generated["twin"]["high"]


def test_a_keyword_brings_its_own_gesture_and_another_keyword_another(rows):
    keyword = rows["keyword"]
    assert keyword["real"]["share"] > 0.9
    assert keyword["matched"]["low"] > keyword["chance"]
    assert keyword["other_keyword"]["low"] > keyword["chance"]
    assert keyword["other_keyword"]["share"] > keyword["still_the_old_one"]["share"]


def test_the_emotions_label_changes_the_amplitude_as_the_rules_say(rows):
    emotion = rows["emotion"]
    assert emotion["rule"] > 1
    assert emotion["low"] > 1.15
    assert emotion["larger"] > 0.7


def test_the_speakers_label_decides_the_hand(rows):
    speaker = rows["speaker"]
    assert speaker["real"]["share"] > 0.95
    assert speaker["matched"]["low"] > 0.8
    assert speaker["swapped"]["low"] > 0.8


def test_without_audio_and_words_the_mouth_no_longer_follows(rows):
    mouth = rows["mouth"]
    assert mouth["matched"]["low"] > 0.5
    assert mouth["without_audio_and_words"]["high"] < 0.3


def test_a_given_arm_comes_back_and_joins_smoothly(rows):
    found = rows["editing"]
    assert found["largest_error_deg"] <= 0.1
    # Within the 99th percentile of real motion, as far as the model's own motion is: the border adds nothing.
    assert found["within"] >= 0.9
    assert found["within"] >= found["elsewhere_within"] - 0.03


def test_where_windows_meet_long_motion_jumps_no_more_than_within_them(trained):
    generator, corpus = trained
    options, data = generator.bundle.config.generation, generator.bundle.config.data
    decoder = CodeDecoder(
        generator.model, options, window_frames=data.window_frames, fps=data.fps, sample_rate=data.sample_rate
    )
    recordings, at_border, inside = read_recordings(corpus, "test", None), [], []
    for speaker in generator.bundle.speakers.labels:
        speech = [recording.waveform for recording in recordings if recording.speaker == speaker]
        made = generator.generate(np.concatenate(speech), generator.sample_rate, speaker=speaker)
        spans = plan_windows(-(-made.num_frames // decoder.downsample), decoder.window, options.context)
        borders = np.array([span.first * decoder.downsample for span in spans[1:]])
        assert len(borders) >= 20
        jumps = velocity_jumps(performance_to_bvh(made).positions().numpy(), made.fps)
        is_border = np.isin(np.arange(len(jumps)), [borders - 1, borders])
        at_border.append(jumps[is_border])
        inside.append(jumps[~is_border])
    at_border, inside = np.concatenate(at_border), np.concatenate(inside)
    assert at_border.mean() <= 1.15 * inside.mean()
    assert (at_border > np.percentile(inside, 95)).mean() <= 0.08  # 0.05, were there no borders
