import json
import logging
import shutil

import numpy as np
import pytest
from raw_corpus import (
    audio_at,
    euler_deg_at,
    face_at,
    make_raw_recording,
    root_cm_at,
    words_until,
    write_bvh,
    write_face_json,
    write_textgrid,
    write_wav,
)

from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS
from dataloaders.corpora.beat import motion_rate
from dataloaders.recordings import Recording
from emage.config import DATA_FORMATS, DataConfig
from emage.errors import InputError

RAW, TREE = DATASETS["raw"], DATASETS["beat_cache"]


def read(root, recording_id: str = "2_scott_0_1_1", **config):
    config = DataConfig(root=str(root), **config)
    corpus = DATASETS[config.format]
    recordings = {recording.id: recording for recording in corpus.find_recordings(config)}
    return corpus.read_sources(recordings[recording_id], config)


@pytest.fixture
def one(tmp_path):
    """Folder of a speaker with one recording of two seconds, to be spoilt."""
    return make_raw_recording(tmp_path, "2_scott_0_1_1", 2.0)


def test_every_format_of_the_config_is_read():
    assert tuple(DATASETS) == DATA_FORMATS


class TestRaw:
    def test_recordings_are_found_with_all_files(self, raw_corpus_root):
        recordings = RAW.find_recordings(DataConfig(root=str(raw_corpus_root)))
        assert [recording.id for recording in recordings] == ["2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"]
        assert recordings[0] == Recording.from_id(
            "2_scott_0_1_1",
            {
                kind: raw_corpus_root / "2" / f"2_scott_0_1_1.{ending}"
                for kind, ending in (
                    ("bvh", "bvh"),
                    ("json", "json"),
                    ("wav", "wav"),
                    ("textgrid", "TextGrid"),
                    ("emotion", "csv"),
                    ("semantic", "txt"),
                )
            },
        )

    def test_hidden_files_and_folders_are_no_recordings(self, raw_corpus_root, tmp_path):
        root = shutil.copytree(raw_corpus_root, tmp_path / "corpus")
        shutil.copytree(root / "2", root / ".ipynb_checkpoints")
        shutil.copy(root / "2" / "2_scott_0_1_1.bvh", root / "2" / ".2_scott_0_1_1.bvh")
        found = [recording.id for recording in RAW.find_recordings(DataConfig(root=str(root)))]
        assert found == ["2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"]

    def test_sources_hold_each_stream_at_its_own_rate(self, raw_corpus_root):
        sources = read(raw_corpus_root)
        assert (sources.motion_fps, sources.face.fps, sources.sample_rate) == (120, 60, 16000)
        assert (sources.bvh.num_frames, sources.face.num_frames, len(sources.waveform)) == (480, 240, 64000)
        assert (len(sources.words), len(sources.phones)) == (6, 12)
        assert [interval.value for interval in sources.semantic] == [0.1, 0.7]
        assert sources.speaker == "2"
        assert sources.notices == [
            "Frame Time 0.008333 read as 1/120",
            "emotion '00_netural' with score 0 read as neutral",
        ]

    def test_speakers_are_filtered(self, raw_corpus_root):
        config = DataConfig(root=str(raw_corpus_root), speakers=["4"])
        assert [recording.id for recording in RAW.find_recordings(config)] == ["4_lawrence_0_57_57"]
        with pytest.raises(InputError, match="data.speakers: no recordings of 6; there are some of 2, 4"):
            RAW.find_recordings(DataConfig(root=str(raw_corpus_root), speakers=["6"]))

    def test_annotations_in_a_second_tree(self, tmp_path, raw_corpus_root):
        shutil.copytree(raw_corpus_root, tmp_path / "raw")
        for ending in ("csv", "txt"):
            target = tmp_path / "labels" / "2" / f"2_scott_0_1_1.{ending}"
            target.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "raw" / "2" / f"2_scott_0_1_1.{ending}").rename(target)
        without = read(tmp_path / "raw")
        assert without.semantic == []
        sources = read(tmp_path / "raw", annotation_root=str(tmp_path / "labels"))
        assert [interval.value for interval in sources.semantic] == [0.1, 0.7]
        assert not any("no semantic txt" in notice for notice in sources.notices)
        with pytest.raises(InputError, match="data.annotation_root: .*nowhere: no such folder"):
            read(tmp_path / "raw", annotation_root=str(tmp_path / "nowhere"))

    def test_missing_annotations_are_notices(self, tmp_path):
        make_raw_recording(tmp_path, "2_scott_0_73_73", 2.0, without=("csv", "txt", "TextGrid"))
        clip = make_clip(read(tmp_path, "2_scott_0_73_73"), 15, 16000)
        assert clip.words == clip.phones == []
        assert clip.word_index.tolist() == [-1] * 30
        assert clip.emotion.tolist() == [2] * 30  # takes 73 to 80 are anger
        assert clip.semantic.tolist() == [0] * 30
        assert clip.notices[1:] == [
            "no TextGrid: no words",
            "no emotion csv: emotion 2 from take 73",
            "no semantic txt: semantic score 0",
        ]

    def test_missing_root(self, tmp_path):
        with pytest.raises(InputError, match="data.root: .*nowhere: no such folder"):
            RAW.find_recordings(DataConfig(root=str(tmp_path / "nowhere")))
        with pytest.raises(InputError, match="data.root: not set"):
            RAW.find_recordings(DataConfig())

    def test_root_without_recordings(self, tmp_path):
        (tmp_path / "2").mkdir()
        (tmp_path / "2" / "2_scott_0_1_1.txt").write_text("")
        with pytest.raises(InputError, match="no recordings; expected <root>/<speaker>/<id>.bvh"):
            RAW.find_recordings(DataConfig(root=str(tmp_path)))

    def test_one_recording_in_two_folders(self, tmp_path):
        make_raw_recording(tmp_path, "2_scott_0_1_1", 1.0)
        shutil.copytree(tmp_path / "2", tmp_path / "copy")
        with pytest.raises(InputError, match=r"recording 2_scott_0_1_1 is there twice: .*2_scott.*copy"):
            RAW.find_recordings(DataConfig(root=str(tmp_path)))

    def test_other_files_are_passed_over_and_a_misnamed_bvh_is_logged(self, one, caplog):
        for name in ("._2_scott_0_1_1.bvh", "causes.json", "2_scott_0_1_1.causes.json", "README.txt"):
            (one / name).write_text("{}")
        (one / "take one.bvh").write_text("")
        with caplog.at_level(logging.WARNING):
            recordings = RAW.find_recordings(DataConfig(root=str(one.parent)))
        assert [recording.id for recording in recordings] == ["2_scott_0_1_1"]
        assert "take one.bvh: passed over" in caplog.text
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("ending", ["bvh", "json", "wav"])
    def test_a_missing_capture_is_an_error(self, tmp_path, ending):
        make_raw_recording(tmp_path, "2_scott_0_1_1", 1.0, without=(ending,))
        with pytest.raises(InputError, match=f"2_scott_0_1_1: no {ending} file; there is"):
            read(tmp_path)

    def test_a_face_of_52_channels_is_a_notice(self, one):
        path = one / "2_scott_0_1_1.json"
        content = json.loads(path.read_text())
        content["names"].insert(3, "tongueOut")
        for frame in content["frames"]:
            frame["weights"].insert(3, 0.9)
        plain = read(one.parent).face.weights
        path.write_text(json.dumps(content))
        sources = read(one.parent)
        assert (sources.face.weights == plain).all()
        assert any("tongueOut" in notice for notice in sources.notices)

    def test_doubtful_motion_is_a_notice_without_its_path(self, one, recwarn):
        path = one / "2_scott_0_1_1.bvh"
        path.write_text(path.read_text().replace("Frame Time: 0.008333", "Frame Time: 120") + "\n")
        sources = read(one.parent)
        assert sources.motion_fps == 120
        assert "line 431: Frame Time 120 is taken as 120 frames a second, not as seconds" in sources.notices
        assert not recwarn.list

    @pytest.mark.parametrize(
        ("ending", "spoil", "message"),
        [
            ("bvh", lambda text: text[: len(text) // 2], r"bvh.*line"),
            (
                "bvh",
                lambda text: text.replace("Frame Time: 0.008333\n0.0", "Frame Time: 0.008333\nnan"),
                "bvh.*line 432",
            ),
            ("json", lambda text: text.replace("jawOpen", "jawOpne"), "json: unknown facial channel 'jawOpne'"),
            ("json", lambda text: text[:-50], "json: not valid json"),
            (
                "TextGrid",
                lambda text: text.replace('"words"', '"speech"'),
                "no interval tier 'words'.*'speech', 'phones'",
            ),
            ("TextGrid", lambda text: text[:500], r"TextGrid: line \d+: corrupt"),
            ("csv", lambda text: "x", "csv: line 1: 1 fields"),
            ("txt", lambda text: text + "a\tb\tc\td\te\tf\n", "txt: line 3: start 'b'"),
        ],
    )
    def test_broken_files_are_named(self, one, ending, spoil, message):
        path = one / f"2_scott_0_1_1.{ending}"
        before = path.read_text()
        path.write_text(spoil(before))
        assert path.read_text() != before
        with pytest.raises(InputError, match=message):
            read(one.parent)

    def test_empty_wav(self, one):
        write_wav(one / "2_scott_0_1_1.wav", np.zeros(0))
        with pytest.raises(InputError, match="2_scott_0_1_1.wav: empty"):
            read(one.parent)


class TestFrameRate:
    """A header is believed unless it outlasts the sound by over 20 % and 120 fps fits within 5 %."""

    @pytest.fixture
    def bvh(self, raw_corpus_root):
        sources = read(raw_corpus_root)

        def with_header(fps: float):
            sources.bvh.frame_time_s = 1 / fps
            return sources.bvh  # 480 frames, 4 s at 120 fps

        return with_header

    def test_24_fps_over_a_recording_at_120(self, bvh):
        fps, notices = motion_rate(bvh(24), 4.1)
        assert fps == 120
        assert notices == ["the BVH header says 24 fps, which gives 20.0 s to 4.1 s of sound; read at 120 fps"]

    @pytest.mark.parametrize(
        ("header_fps", "audio_s"),
        [
            (120, 1.0),  # 120 already
            (100, 4.01),  # 4.8 s: not 20 % longer
            (60, 7.0),  # 8 s: not 20 % longer
            (60, 4.5),  # much longer, but 4 s at 120 fps is 11 % off too
            (30, 16.0),  # fits
            (240, 4.0),  # shorter than the sound
        ],
    )
    def test_otherwise_the_header_is_believed(self, bvh, header_fps, audio_s):
        assert motion_rate(bvh(header_fps), audio_s) == (header_fps, [])

    def test_the_clip_uses_the_true_rate(self, tmp_path):
        make_raw_recording(tmp_path, "29_hanieh_1_4_4", 3.0, frame_time="0.041667")
        clip = make_clip(read(tmp_path, "29_hanieh_1_4_4"), 15, 16000)
        assert clip.num_frames == 45
        np.testing.assert_allclose(clip.motion[20:25, :3], root_cm_at(np.arange(20, 25) / 15), atol=0.01)


def write_tree(root, recording_id: str, subset: str, *, seconds: float = 4.0, start_s: float = 0.0, words=None) -> None:
    """A recording of the reference's tree whose files are right: 15 fps, as many rows as `Frames:` says."""
    folders = {name: root / subset / name for name in ("bvh_full", "facial52", "wave16k", "text", "emo", "sem")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    times_s = start_s + np.arange(round(seconds * 15)) / 15
    write_bvh(folders["bvh_full"] / f"{recording_id}.bvh", euler_deg_at(times_s), root_cm_at(times_s))
    write_face_json(folders["facial52"] / f"{recording_id}.json", face_at(times_s), 15)
    wave = audio_at(start_s + np.arange(round(seconds * 16000)) / 16000).astype(np.float32)
    np.save(folders["wave16k"] / f"{recording_id}.npy", wave)
    end_s = start_s + seconds
    write_textgrid(folders["text"] / f"{recording_id}.TextGrid", words or words_until(end_s), end_s)
    (folders["emo"] / f"{recording_id}.csv").write_text(f"02_anger,0,{end_s},{end_s},2\n")
    (folders["sem"] / f"{recording_id}.txt").write_text(
        f"a\t0\t{end_s / 2}\t0\t0.2\t\nb\t{end_s / 2}\t{end_s}\t0\t0.8\t\n"
    )


class TestTree:
    def test_subsets_and_stray_files(self, tmp_path):
        for recording_id, subset in (("2_scott_0_9_9", "train"), ("2_scott_0_57_57", "val"), ("2_scott_0_1_1", "test")):
            write_tree(tmp_path, recording_id, subset)
        np.save(tmp_path / "train" / "wave16k" / "npy_mean_2.npy", np.zeros(1))
        recordings = TREE.find_recordings(DataConfig(format="beat_cache", root=str(tmp_path)))
        assert {recording.id: recording.subset for recording in recordings} == {
            "2_scott_0_1_1": "test",
            "2_scott_0_57_57": "val",
            "2_scott_0_9_9": "train",
        }
        assert all(len(recording.paths) == 6 for recording in recordings)

    def test_15_fps_whatever_the_header_says(self, tmp_path):
        write_tree(tmp_path, "2_scott_0_1_1", "train")
        sources = read(tmp_path, format="beat_cache")
        assert sources.motion_fps == 15
        assert "says Frame Time 0.008333, 120 fps; read at 15 fps" in sources.notices[0]
        clip = make_clip(sources, 15, 16000)
        assert clip.num_frames == 60
        times_s = np.arange(60) / 15
        np.testing.assert_allclose(clip.motion[:, :3], root_cm_at(times_s), atol=1e-5)
        np.testing.assert_allclose(clip.motion[:, 3:], euler_deg_at(times_s).reshape(60, -1), atol=1e-4)
        np.testing.assert_allclose(clip.face, face_at(times_s), atol=1e-4)
        np.testing.assert_allclose(clip.waveform, audio_at(np.arange(64000) / 16000), atol=1e-6)
        assert len(clip.words) == 6
        assert clip.emotion.tolist() == [2] * 60

    def test_the_sound_can_prove_the_header_right(self, tmp_path):
        write_tree(tmp_path, "2_scott_0_1_1", "train", seconds=32)  # 480 rows
        np.save(tmp_path / "train" / "wave16k" / "2_scott_0_1_1.npy", np.zeros(round(4.05 * 16000), np.float32))
        sources = read(tmp_path, format="beat_cache")
        assert sources.motion_fps == 120
        assert "the sound of 4.0 s agrees; not the 15 fps" in sources.notices[0]
        np.save(tmp_path / "train" / "wave16k" / "2_scott_0_1_1.npy", np.zeros(16000 * 10, np.float32))
        with pytest.raises(InputError, match="fps: 4.0 s of motion, or 32.0 s at the 15 fps.*to 10.0 s of sound"):
            read(tmp_path, format="beat_cache")

    def test_rows_as_the_notebook_leaves_them(self, tmp_path):
        """The header's own count of frames, and the first row of the 120 fps file before the thinned ones."""
        write_tree(tmp_path, "2_scott_0_1_1", "train")
        thin_as_the_notebook(tmp_path / "train" / "bvh_full" / "2_scott_0_1_1.bvh", seconds=4.0)
        sources = read(tmp_path, format="beat_cache")
        assert any("`Frames:` says 480" in notice and "60 thinned rows" in notice for notice in sources.notices)
        times_s = np.arange(60) / 15 + 1 / 120
        np.testing.assert_allclose(sources.bvh.values[:, :3], root_cm_at(times_s), atol=1e-6)

    def test_a_file_that_is_cut_off(self, tmp_path):
        write_tree(tmp_path, "2_scott_0_1_1", "train")
        path = tmp_path / "train" / "bvh_full" / "2_scott_0_1_1.bvh"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-20]))
        with pytest.raises(
            InputError, match=r"`Frames:` says 60, but 40 rows follow, where .* leaves 9: the file is cut off"
        ):
            read(tmp_path, format="beat_cache")

    def test_halves_as_the_notebook_cuts_them(self, tmp_path):
        """bvh_full is cut at line 450 with the header counted; labels are left whole in both halves."""
        words = [("early", 29.0, 29.8), ("over", 29.9, 30.3), ("late", 31.0, 31.5)]
        write_tree(tmp_path, "5_stewart_0_65_a", "test", seconds=30.0, words=words)
        write_tree(tmp_path, "5_stewart_0_65_b", "val", seconds=4.0, start_s=30.0, words=words)
        first = tmp_path / "test" / "bvh_full" / "5_stewart_0_65_a.bvh"
        second = tmp_path / "val" / "bvh_full" / "5_stewart_0_65_b.bvh"
        thin_as_the_notebook(first, seconds=34.0)
        lines = first.read_text().splitlines(keepends=True)
        first.write_text("".join(lines[:450]))
        second.write_text("".join(lines[:431] + lines[450:]))

        a = read(tmp_path, "5_stewart_0_65_a", format="beat_cache")
        b = read(tmp_path, "5_stewart_0_65_b", format="beat_cache")
        np.testing.assert_allclose(a.bvh.values[:, :3], root_cm_at(np.arange(450) / 15 + 1 / 120), atol=1e-6)
        np.testing.assert_allclose(b.bvh.values[:, :3], root_cm_at(30 + np.arange(60) / 15 + 1 / 120), atol=1e-6)
        assert any("cut too early" in notice for notice in b.notices)
        assert [word.text for word in a.words] == ["early", "over", "late"]
        assert [(word.text, round(word.start_s, 6), round(word.end_s, 6)) for word in b.words] == [
            ("over", 0, 0.3),
            ("late", 1, 1.5),
        ]
        assert [(i.start_s, i.end_s, i.value) for i in b.semantic] == [(0, 4, 0.8)]
        assert [(i.start_s, i.end_s, i.value) for i in b.emotion] == [(0, 4, 2)]
        assert make_clip(a, 15, 16000).words[-1].text == "over"
        second.unlink()
        with pytest.raises(InputError, match="_a.bvh: cut too early, 19 rows; the rest belongs in a `_b` file"):
            read(tmp_path, "5_stewart_0_65_a", format="beat_cache")

    def test_bad_waves(self, tmp_path):
        write_tree(tmp_path, "2_scott_0_1_1", "train")
        path = tmp_path / "train" / "wave16k" / "2_scott_0_1_1.npy"
        np.save(path, np.array([1, 2, "x"], dtype=object), allow_pickle=True)
        with pytest.raises(InputError, match="npy: no npy file of samples"):
            read(tmp_path, format="beat_cache")
        np.save(path, np.zeros((3, 2)))
        with pytest.raises(InputError, match=r"shape \(3, 2\), float64; expected one row"):
            read(tmp_path, format="beat_cache")
        np.save(path, np.zeros(0, np.float32))
        with pytest.raises(InputError, match="npy: empty"):
            read(tmp_path, format="beat_cache")
        np.save(path, np.full(64000, -16384, np.int16))
        assert read(tmp_path, format="beat_cache").waveform.tolist() == [-0.5] * 64000

    def test_missing_trees_and_doubles(self, tmp_path):
        config = DataConfig(format="beat_cache", root=str(tmp_path))
        with pytest.raises(InputError, match=r"no recordings; expected <root>/{train,val,test}/bvh_full/<id>.bvh"):
            TREE.find_recordings(config)
        for subset in ("train", "test"):
            write_tree(tmp_path, "2_scott_0_1_1", subset, seconds=1.0)
        with pytest.raises(InputError, match="2_scott_0_1_1 is there twice: in train and in test"):
            TREE.find_recordings(config)


def thin_as_the_notebook(path, seconds: float) -> None:
    """Rewrites a BVH as the reference's notebook does: line 431 and each line from 432 on whose number divides by 8."""
    times_s = np.arange(round(seconds * 120)) / 120
    write_bvh(path, euler_deg_at(times_s), root_cm_at(times_s))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for i, line in enumerate(lines) if i < 432 or i % 8 == 0))
