"""The synthetic corpus as files: the same bytes each time, resumable, and read by the project's own readers without a notice."""

import importlib.util
import itertools
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataloaders.clip import make_clip
from dataloaders.corpora import beat
from dataloaders.corpora.synthetic import ENDINGS, make_corpus
from dataloaders.corpora.synthetic_plan import MAX_TAKES, SPEAKER_NAMES, CorpusArguments, plan_recordings
from dataloaders.corpora.synthetic_speech import draw_voice
from dataloaders.recordings import Recording
from dataloaders.splits import official_split
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.bvh import read_bvh
from emage.motion.skeleton import BEAT_JOINTS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
)

ARGUMENTS = CorpusArguments(num_speakers=2, num_recordings=3, seconds=5.0, seed=3)
BEAT_NAMES = (  # of the real corpus; nobody of them may seem to have recorded ours
    "wayne scott solomon lawrence stewart carla sophie catherine miranda kieks nidal zhao lu zhang carlos jorge itoi daiki "
    "jaime li ayana luqi hailing kexin goto reamey yingqing tiffnay hanieh katya"
).split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "corpus"
    make_corpus(root, ARGUMENTS, num_processes=1)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def recordings_of(arguments: CorpusArguments) -> list[Recording]:
    return [Recording.from_id(plan.id, {}) for plan in plan_recordings(arguments)]


def test_each_recording_has_all_files_of_the_raw_layout(corpus):
    expected = {f"{plan.speaker}/{plan.id}{ending}" for plan in plan_recordings(ARGUMENTS) for ending in ENDINGS}
    assert set(contents(corpus)) == expected | {"corpus.json"}


def test_same_arguments_give_the_same_bytes_in_two_processes(corpus, tmp_path):
    make_corpus(tmp_path / "again", ARGUMENTS, num_processes=2)
    assert contents(tmp_path / "again") == contents(corpus)


def test_another_seed_gives_another_voice_and_movement(corpus, tmp_path):
    plan = plan_recordings(ARGUMENTS)[0]
    make_corpus(tmp_path, CorpusArguments(2, 1, 5.0, seed=4), num_processes=1)
    for ending in (".bvh", ".wav", ".json", ".TextGrid"):
        name = f"{plan.speaker}/{plan.id}{ending}"
        assert (tmp_path / name).read_bytes() != (corpus / name).read_bytes()


def test_only_what_is_missing_is_made_and_becomes_the_same(corpus, tmp_path):
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    plans = plan_recordings(ARGUMENTS)
    folder = root / plans[1].speaker
    (folder / f"{plans[1].id}.causes.json").unlink()  # the run was killed before the last file of recording 1 ...
    (folder / f".{plans[1].id}.wav.partial").write_bytes(b"half")  # ... and left half a file behind
    untouched = root / plans[0].speaker / f"{plans[0].id}.bvh"
    before = untouched.stat().st_mtime_ns
    report = make_corpus(root, ARGUMENTS, num_processes=1)
    assert (report.made, report.found) == (1, 2)
    assert untouched.stat().st_mtime_ns == before
    assert contents(root) == contents(corpus)


def test_a_folder_of_other_arguments_is_refused_and_left_alone(corpus):
    before = contents(corpus)
    with pytest.raises(InputError, match=r"num_recordings 3, now 4.*give another --out"):
        make_corpus(corpus, CorpusArguments(2, 4, 5.0, seed=3), num_processes=1)
    assert contents(corpus) == before


def test_a_corpus_with_pauses_is_another_one(corpus, tmp_path):
    """And one without is what it was before there were any: nothing of them is noted."""
    assert "pauses" not in json.loads((corpus / "corpus.json").read_text())
    with pytest.raises(InputError, match=r"pauses None, now 0.5.*give another --out"):
        make_corpus(corpus, CorpusArguments(2, 3, 5.0, seed=3, pauses=0.5), num_processes=1)
    with pytest.raises(InputError, match="only the beat layout has pauses"):
        make_corpus(tmp_path / "faces", CorpusArguments(2, 3, 5.0, pauses=0.5), layout="emoca", num_processes=1)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="no synthetic corpus"):
        make_corpus(tmp_path, ARGUMENTS, num_processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 5.0, 0), r"--speakers: got 0; choose from 1 to 10"),
        ((1, MAX_TAKES + 1, 5.0, 0), r"--recordings: got 119; choose from 1 to 118"),
        ((1, 1, 1.0, 0), r"--seconds: got 1.0; choose from 4 to 600"),
        ((1, 1, float("nan"), 0), r"--seconds: got nan"),
        ((1, 1, 5.0, -1), r"--seed: got -1"),
        ((1, 1, 5.0, 0, 1.5), r"--pauses: got 1.5; choose from 0 to 1"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        CorpusArguments(*arguments)


def test_missing_espeak_names_the_remedy_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(InputError, match=r"pip install -e \.\[demo\]"):
        make_corpus(tmp_path / "corpus", ARGUMENTS, num_processes=1)
    assert not (tmp_path / "corpus").exists()


def test_own_readers_take_every_file_without_a_notice(corpus):
    config = DataConfig(root=str(corpus))
    recordings = beat.find_recordings(config)
    plans = {plan.id: plan for plan in plan_recordings(ARGUMENTS)}
    assert {recording.id for recording in recordings} == set(plans)
    for recording in recordings:
        clip = make_clip(beat.read_sources(recording, config), 15.0, 16000)
        assert clip.notices == []
        assert clip.num_frames == 75
        assert clip.waveform.shape == (80000,)
        assert clip.face.shape == (75, 51)
        assert set(clip.emotion.tolist()) == {plans[recording.id].emotion}
        assert len(clip.words) >= 3
        assert (clip.word_index >= 0).any()
        assert set(np.unique(clip.semantic.round(4))) <= {np.float32(x) for x in (0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.9)}


def test_bvh_has_the_header_of_beat(corpus):
    for path in corpus.rglob("*.bvh"):
        lines = path.read_text().splitlines()
        assert lines[429:431] == ["Frames: 600", f"Frame Time: {1 / 120!r}"]
        assert len(lines) == 431 + 600
        motion = read_bvh(path)
        assert motion.names == BEAT_JOINTS
        assert motion.values.shape == (600, 228)
        assert {motion.order(joint) for joint in range(75)} == {"XYZ"}


def test_causes_lie_within_the_recording_and_name_real_targets(corpus):
    for path in corpus.rglob("*.causes.json"):
        node = json.loads(path.read_text(encoding="utf-8"))
        assert path.name == f"{node['id']}.causes.json"
        channels = json.loads((path.parent / f"{node['id']}.json").read_text())["names"]
        times = [event["time_s"] for event in node["events"]]
        assert times == sorted(times)
        assert {event["cause"] for event in node["events"]} >= {"speaker", "emotion", "phoneme"}
        for movement in itertools.chain.from_iterable(event["movements"] for event in node["events"]):
            assert movement["start_s"] < movement["peak_s"] <= movement["end_s"]
            assert set(movement["targets"]) <= {*BEAT_JOINTS, *channels}


def test_default_corpus_fills_the_official_split():
    arguments = CorpusArguments()
    plans = {plan.id: plan for plan in plan_recordings(arguments)}
    splits, notices = official_split(recordings_of(arguments))
    assert notices == []
    assert len(splits["test"]) >= 40
    assert 8 <= len(splits["val"]) <= 16
    assert sum(map(len, splits.values())) == arguments.num_recordings == len(plans)
    for split in ("train", "test"):
        assert {plans[entry.recording_id].emotion for entry in splits[split]} == set(range(8))
        assert {plans[entry.recording_id].speaker for entry in splits[split]} == {"1", "2", "3", "4"}


@given(speakers=st.integers(1, 10), data=st.data())
def test_fewer_recordings_are_the_beginning_of_more(speakers, data):
    more = data.draw(st.integers(1, speakers * MAX_TAKES))
    fewer = data.draw(st.integers(1, more))
    plans = plan_recordings(CorpusArguments(speakers, more))
    assert len({plan.id for plan in plans}) == more
    assert plan_recordings(CorpusArguments(speakers, fewer)) == plans[:fewer]


def test_voices_are_spread_over_speakers_and_emotions():
    plans = plan_recordings(CorpusArguments())
    for label in ("speaker", "emotion"):
        for value in {getattr(plan, label) for plan in plans}:
            voices = {draw_voice(plan.random("voice")).name for plan in plans if getattr(plan, label) == value}
            assert len(voices) >= 5, f"{label} {value} could be told by the voice"


def test_nobody_of_the_real_corpus_is_named():
    assert not set(SPEAKER_NAMES.values()) & set(BEAT_NAMES)
