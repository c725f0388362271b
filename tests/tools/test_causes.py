"""Conditions, rows and editing on made-up recordings: what is swapped, and what a row says of motions whose answer is known."""

import dataclasses
import functools
import importlib.util

import causes
import editing
import numpy as np
import pytest
import torch
from cause_recordings import CauseRecording, moves_of, other_keyword, read_recordings
from cause_rows import CauseRows
from homophones import swap_homophones
from tiny_bundles import camn_bundle, masked_bundle

from dataloaders.cache import build_cache
from dataloaders.corpora.synthetic import make_recording, make_script, write_recording
from dataloaders.corpora.synthetic_causes import read_causes, write_causes
from dataloaders.corpora.synthetic_plan import RecordingPlan
from dataloaders.corpora.synthetic_text import KEYWORDS
from dataloaders.corpus import Corpus
from emage.config import DataConfig, GenerationConfig, load_config
from emage.errors import InputError
from emage.generation import Generator
from emage.motion.convert import convert
from emage.motion.layout import get_layout

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
)
# Two right-handed and two left-handed recordings of the test split, and two of the train split as examples.
PLANS = [
    RecordingPlan(number, speaker, take, emotion, 12.0, seed=0)
    for number, (speaker, take, emotion) in enumerate(
        [("1", 1, 0), ("2", 1, 0), ("1", 65, 1), ("2", 65, 1), ("1", 9, 0), ("2", 9, 0)]
    )
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    root = tmp_path_factory.mktemp("corpus")
    for plan in PLANS:
        write_recording(root / "raw" / plan.speaker, plan, recording=make_recording(plan))
    build_cache(DataConfig(root=str(root / "raw"), cache_dir=str(root / "cache")), 1, progress=False)
    return Corpus.open(
        load_config("configs/demo/camn.yaml", [f"data.root={root / 'raw'}", f"data.cache_dir={root / 'cache'}"])
    )


@pytest.fixture(scope="module")
def recordings(corpus) -> list[CauseRecording]:
    return read_recordings(corpus, "test")


@functools.cache
def ruled(plan: RecordingPlan, *, homophones: bool = False):
    """What the rules of the corpus make of a plan."""
    return make_recording(plan, swap_homophones(make_script(plan)) if homophones else None)


def test_causes_are_read_as_they_were_written(tmp_path):
    events = ruled(PLANS[0]).events
    write_causes(tmp_path / "a.causes.json", "a", events=events)
    found = read_causes(tmp_path / "a.causes.json")
    assert [(e.cause, e.what, len(e.movements)) for e in found] == [
        (e.cause, e.what, len(e.movements)) for e in sorted(events, key=lambda event: event.time_s)
    ]
    write_causes(tmp_path / "b.causes.json", "a", events=found)
    assert (tmp_path / "b.causes.json").read_bytes() == (tmp_path / "a.causes.json").read_bytes()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 1}', '{"format": 9, "events": []}', '{"format": 1, "events": [3]}']
)
def test_other_files_are_no_causes(tmp_path, text):
    (tmp_path / "a.causes.json").write_text(text)
    with pytest.raises(InputError, match="a.causes.json"):
        read_causes(tmp_path / "a.causes.json")
    with pytest.raises(InputError, match="not there"):
        read_causes(tmp_path / "b.causes.json")


def test_recordings_come_with_stresses_slots_and_hands(recordings):
    assert [recording.handedness for recording in recordings] == ["right", "right", "left", "left"]
    for recording in recordings:
        assert len(recording.stresses_s) >= 2
        for slot in recording.slots:
            text = slot.keyword.word if slot.is_keyword else slot.keyword.twin
            assert recording.words[slot.word].text == text
    assert sum(len(recording.slots) for recording in recordings) >= 4


def test_few_recordings_are_spread_over_the_split(corpus, recordings):
    assert [one.id for one in read_recordings(corpus, "test", 2)] == [recordings[0].id, recordings[2].id]


def test_each_condition_changes_what_it_says_and_nothing_else(recordings):
    found = causes.conditions(recordings)
    own = found["matched"]
    changed = {
        "mismatched": {"waveform", "words"},
        "without_words": {"without"},
        "without_audio_and_words": {"without"},
        "homophones_swapped": {"words"},
        "other_keyword": {"words"},
        "anger": {"emotion"},
        "sadness": {"emotion"},
        "speaker_swapped": {"speaker"},
    }
    assert set(found) == {"matched", *changed}
    for name, fields in changed.items():
        for before, after in zip(own, found[name], strict=True):
            same = {f.name for f in dataclasses.fields(before)} - fields
            assert all(getattr(before, field) is getattr(after, field) for field in same), name
    assert [inputs.speaker for inputs in found["speaker_swapped"]] == ["2", "2", "1", "1"]
    assert found["mismatched"][0].words is recordings[1].words
    assert found["mismatched"][-1].words is recordings[0].words


def test_homophones_and_keywords_are_swapped_in_their_places(recordings):
    found = causes.conditions(recordings)
    for recording, homophones, others in zip(
        recordings, found["homophones_swapped"], found["other_keyword"], strict=True
    ):
        slots = {slot.word: slot for slot in recording.slots}
        for i, word in enumerate(recording.words):
            if i not in slots:
                assert homophones.words[i] == others.words[i] == word
                continue
            pair, is_keyword = slots[i].keyword, slots[i].is_keyword
            assert homophones.words[i].text == (pair.twin if is_keyword else pair.word)
            assert others.words[i].text == (other_keyword(pair.word) if is_keyword else pair.twin)
            assert homophones.words[i][1:] == others.words[i][1:] == word[1:]
    assert {other_keyword(pair.word) for pair in KEYWORDS} == {pair.word for pair in KEYWORDS}
    assert all(other_keyword(pair.word) != pair.word for pair in KEYWORDS)


def test_nobody_with_the_other_hand_is_one_line(recordings):
    with pytest.raises(InputError, match="no left-handed speaker"):
        causes.swapped_speaker(recordings[0], recordings[:2])


@pytest.fixture(scope="module")
def rows(corpus, recordings) -> CauseRows:
    return CauseRows(recordings, read_recordings(corpus, "train"))


def test_the_rules_themselves_show_every_cause(rows, recordings, corpus):
    """Motion that the corpus makes for swapped labels and texts, in place of a model's: the measures see what the rules do."""
    plans = {plan.id: plan for plan in PLANS}
    own = [plans[recording.id] for recording in recordings]

    def performed(plan: RecordingPlan, **how):
        bvh, recording = ruled(plan, **how).movements.bvh, next(r for r in recordings if r.id == plan.id)
        every = round(bvh.fps / corpus.cache.fps)
        motion = torch.cat([bvh.translations_cm()[::every, 0], bvh.euler_deg()[::every].flatten(1)], dim=1).float()
        return moves_of(dataclasses.replace(recording.performance, motion=motion))

    matched = [performed(plan) for plan in own]
    moves = {
        "matched": matched,
        "mismatched": [*matched[1:], *matched[:1]],
        "homophones_swapped": [performed(plan, homophones=True) for plan in own],
        "other_keyword": matched,  # the rules would need other words in the sound
        "anger": [performed(dataclasses.replace(plan, emotion=2)) for plan in own],
        "sadness": [performed(dataclasses.replace(plan, emotion=3)) for plan in own],
        "speaker_swapped": [
            performed(dataclasses.replace(plan, speaker={"1": "2", "2": "1"}[plan.speaker])) for plan in own
        ],
    }
    found = rows.measure(moves)
    stress = found["stress"]
    assert stress["real"]["share"] == stress["matched"]["share"] == 1
    assert stress["matched"]["chance"] < 0.4
    assert abs(stress["mismatched"]["excess"]) < 0.3  # four recordings
    generated = found["homophone"]["generated"]
    assert generated["keyword"]["share"] == generated["twin_made_keyword"]["share"] == 1
    assert generated["twin"]["share"] == generated["keyword_made_twin"]["share"] == 0
    assert found["keyword"]["still_the_old_one"]["share"] == found["keyword"]["matched"]["share"]
    assert 1.5 < found["emotion"]["ratio"] < 2.3
    assert found["emotion"]["larger"] == 1
    assert found["speaker"]["matched"]["share"] == found["speaker"]["swapped"]["share"] == 1
    assert found["mouth"]["matched"]["correlation"] == pytest.approx(1)
    assert found["mouth"]["mismatched"]["correlation"] < 0.5


def test_a_model_that_heeds_no_input_shows_no_cause(rows, recordings):
    same = [moves_of(recording.performance) for recording in recordings]
    shifted = [dataclasses.replace(one, speed_cm_s=np.roll(one.speed_cm_s, 60, axis=0)) for one in same]
    names = ("matched", "mismatched", "homophones_swapped", "other_keyword", "anger", "sadness", "speaker_swapped")
    found = rows.measure(dict.fromkeys(names, shifted))
    assert found["stress"]["matched"]["excess"] < 0.3
    assert found["emotion"]["ratio"] == 1
    assert found["emotion"]["larger"] == 0
    assert found["speaker"]["swapped"]["share"] == 1 - found["speaker"]["matched"]["share"]


def test_a_masked_transformer_and_a_camn_are_measured(corpus):
    bundles = {"masked": masked_bundle(speakers=("1", "2")), "camn": camn_bundle(speakers=("1", "2"))}
    for name, bundle in bundles.items():
        found = causes.measure_causes(Generator(bundle), corpus, options=GenerationConfig(steps=1), limit=4)
        assert found["recordings"] == 4
        assert ("without_words" in found["stress"]) == (name == "masked")
        assert ("editing" in found) == (name == "masked")


def test_the_given_arm_comes_back_and_borders_are_those_between_given_and_completed(corpus, recordings):
    generator = Generator(masked_bundle(speakers=("1", "2")))
    found = editing.measure_editing(generator, recordings[:2], options=GenerationConfig(steps=1))
    assert found["largest_error_deg"] < 0.01
    assert found["num_border_values"] == 2 * 4 * 2
    assert 0 <= found["within"] <= 1


def test_a_jump_at_the_border_is_an_acceleration_there_and_nowhere_else(recordings):
    real = recordings[0].performance
    rows = editing.border_frames(30, 75, real.num_frames - 2)
    assert rows == [28, 29, 73, 74]
    layout, still = "beat_full_rot6d", real.motion[:1].expand(real.num_frames, -1)
    motion = convert(still, "beat_full", layout).clone()
    other = convert(real.motion, "beat_full", layout)
    assert float(editing.angles_between_deg(motion, motion, layout, editing.GIVEN_JOINTS).max()) < 1e-3
    assert float(editing.angles_between_deg(motion, other, layout, editing.GIVEN_JOINTS).max()) > 5
    jump = still.clone()
    jump[30:75, get_layout("beat_full").joint_slice("RightArm")] += 20
    found = editing.accelerations_cm_s2(dataclasses.replace(real, motion=jump))
    assert found[rows].min() > 100
    assert np.delete(found, rows, axis=0).max() < 1
