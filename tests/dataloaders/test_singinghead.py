"""The SingingHead corpus, read straight from its zips: the lists decide, and nothing in a zip can harm."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from face_corpora import make_singinghead, singing_codes, sound, wav_bytes

from dataloaders import cache_match, fingerprint
from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora import singinghead
from dataloaders.fingerprint import shaping_config
from dataloaders.splits import split_entries
from emage.config import DataConfig
from emage.errors import InputError

GOOD, BAD, OTHER = "id0_10_0_0", "id1_10_0_1", "id2_3_0_0"


def config(root: Path, **options) -> DataConfig:
    options = {"fps": 30.0, "cache_dir": str(root.parent / "caches")} | options
    return DataConfig(format="singinghead", root=str(root), **options)


def rejects_of(root: Path) -> list[tuple[str, str]]:
    report = build_cache(config(root), 1, progress=False)
    assert GOOD in report.used
    return report.rejects


def test_codes_and_splits_are_those_of_the_files(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD], "val": [BAD], "test": [OTHER]})
    assert rejects_of(root) == []
    cache = MotionCache.open(config(root))
    codes = singing_codes()
    expected = np.concatenate([codes["expcodes"], codes["posecodes"]], axis=1)
    np.testing.assert_array_equal(cache.read(BAD, "face"), expected)
    assert cache.layouts["face"] == "flame_59"
    splits, _ = split_entries(config(root), list(cache.known.values()))
    assert {name: [e.id for e in entries] for name, entries in splits.items()} == {
        "train": [GOOD],
        "val": [BAD],
        "test": [OTHER],
    }


@pytest.mark.parametrize("track", ["vocals", "accompaniment", "mix"])
def test_the_sound_is_the_voice_the_music_or_both(tmp_path, track):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD]})
    build_cache(config(root, audio_track=track), 1, progress=False)
    voice, music = sound(8), 0.5 * sound(8)[::-1]
    expected = {"vocals": voice, "accompaniment": music, "mix": voice + music}[track]
    waveform = MotionCache.open(config(root, audio_track=track)).read(GOOD, "waveform")
    np.testing.assert_allclose(waveform, expected, atol=2e-4)


def test_caches_of_two_sounds_are_two_and_those_of_other_corpora_do_not_know_of_the_choice(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD]})
    folders = {build_cache(config(root, audio_track=t), 1, progress=False).path for t in ("vocals", "mix")}
    assert len(folders) == 2
    with pytest.raises(InputError, match="data.audio_track: accompaniment is asked for"):
        MotionCache.open(config(root, audio_track="accompaniment"))
    assert shaping_config(DataConfig()).keys() == {"version", "format", "fps", "sample_rate"}


def test_only_the_needed_archives_must_be_there(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD]})
    (root / "bgm_seqs.zip").unlink()
    assert rejects_of(root) == []
    with pytest.raises(InputError, match=r"bgm_seqs\.zip: no such archive"):
        build_cache(config(root, audio_track="mix"), 1, progress=False)
    (root / "flame_seqs.zip").write_bytes(b"PK\x03\x04 no zip at all")
    with pytest.raises(InputError, match=r"flame_seqs\.zip: no zip archive"):
        build_cache(config(root), 1, progress=False)


class Calls:
    def __reduce__(self):
        return (open, ("broken_in", "w"))


def with_value(change) -> bytes:
    codes = singing_codes()
    change(codes)
    return pickle.dumps(codes)


def make_nan(codes) -> None:
    codes["expcodes"][3, 4] = np.nan


def make_narrow(codes) -> None:
    codes["posecodes"] = codes["posecodes"][:, :6]


def make_objects(codes) -> None:
    codes["expcodes"] = np.array([["a"] * 50] * 240, dtype=object)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_value(make_nan), "expcodes[3, 4] is nan"),
        (with_value(make_narrow), "posecodes has shape (240, 6)"),
        (with_value(make_objects), "expcodes is no array of numbers"),
        (with_value(lambda codes: codes.pop("posecodes")), "no posecodes"),
        (pickle.dumps(singing_codes())[:-500], "cannot be read as a pickle"),
        (pickle.dumps(Calls()), "io.open"),
        (b"\0" * (8 << 20), "unpacks to more than"),  # a bomb: 8 kB in the zip
    ],
)
def test_a_broken_member_costs_its_segment_alone(tmp_path, monkeypatch, content, reason):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD, BAD]}, flame={f"flame_seqs/{BAD}.pkl": content})
    monkeypatch.chdir(tmp_path)
    ((key, why),) = rejects_of(root)
    assert key == BAD
    assert reason in why
    assert not (tmp_path / "broken_in").exists()


def test_a_bomb_that_lies_about_its_size_is_cut_short(tmp_path):
    """The directory of the zip says 1 kB; reading must stop by itself."""
    root = make_singinghead(tmp_path / "s", {"train": [GOOD, BAD]}, flame={f"flame_seqs/{BAD}.pkl": b"\0" * (8 << 20)})
    path = root / "flame_seqs.zip"
    content = path.read_bytes()
    assert content.count((8 << 20).to_bytes(4, "little")) >= 2
    path.write_bytes(content.replace((8 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    ((key, why),) = rejects_of(root)
    assert key == BAD
    assert "flame_seqs.zip" in why


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (f"../../{BAD}.pkl", "leads out of the archive"),
        (f"/tmp/{BAD}.pkl", "leads out of the archive"),
        (f"C:\\x\\{BAD}.pkl", "leads out of the archive"),
        (f"..\\{BAD}.pkl", "leads out of the archive"),
    ],
)
def test_a_member_whose_path_leads_out_is_refused_and_the_rest_is_used(tmp_path, member, reason):
    flame = {f"flame_seqs/{BAD}.pkl": None, member: pickle.dumps(singing_codes())}
    root = make_singinghead(tmp_path / "s", {"train": [GOOD, BAD]}, flame=flame)
    ((key, why),) = rejects_of(root)
    assert key == BAD
    assert reason in why


def test_links_and_doubles_are_refused(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD, BAD, OTHER]}, flame={f"flame_seqs/{BAD}.pkl": None})
    with zipfile.ZipFile(root / "flame_seqs.zip", "a") as archive:
        link = zipfile.ZipInfo(f"flame_seqs/{BAD}.pkl")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(f"again/{OTHER}.pkl", pickle.dumps(singing_codes()))
    reasons = dict(rejects_of(root))
    assert "is a link" in reasons[BAD]
    assert f"is there twice, as flame_seqs/{OTHER}.pkl and again/{OTHER}.pkl" in reasons[OTHER]


def test_an_id_that_is_listed_but_absent_is_rejected(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD]})
    (root / "train.txt").write_text(f"{GOOD}.pkl\n\n{BAD}\n")
    assert rejects_of(root) == [(BAD, f"{root / 'flame_seqs.zip'}: no member {BAD}.pkl")]


def test_subjects_in_two_lists_segments_in_none_and_in_two_are_reported(tmp_path):
    extra = {"flame_seqs/id9_1_0_0.pkl": pickle.dumps(singing_codes()), "../evil.pkl": b""}
    root = make_singinghead(tmp_path / "s", {"train": [GOOD], "test": ["id0_11_0_0"]}, flame=extra)
    (root / "val.txt").write_text(f"{GOOD}\n")
    recordings = singinghead.find_recordings(config(root))
    assert {r.id: r.subset for r in recordings} == {GOOD: "val", "id0_11_0_0": "test"}
    notices = singinghead.corpus_notices(recordings, config(root))
    assert notices[0] == "1 speaker(s) in val and test: id0"
    assert notices[1] == f"1 segments are in two lists, the later counts: {GOOD}"
    assert notices[2] == "1 segments of flame_seqs.zip are in no list and not used: id9_1_0_0.pkl"
    assert "evil.pkl: its path '../evil.pkl' leads out" in notices[3]


@pytest.mark.parametrize("line", ["../../etc/passwd", "id0/10", "id 0"])
def test_an_id_that_is_no_file_name_is_an_error_with_its_line(tmp_path, line):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD]})
    (root / "val.txt").write_text(f"{BAD}\n{line}\n")
    with pytest.raises(InputError, match=r"val\.txt, line 2: "):
        singinghead.find_recordings(config(root))


def test_a_24_khz_stereo_voice_and_a_longer_one_are_repaired_with_notices(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD, BAD]})
    voices = {GOOD: wav_bytes(sound(8)), BAD: wav_bytes(sound(8.3, 24000), 24000, channels=2)}
    with zipfile.ZipFile(root / "audio_seqs.zip", "w") as archive:
        for name, content in voices.items():
            archive.writestr(f"{name}.wav", content)
    report = build_cache(config(root), 1, progress=False)
    assert [key for key, _ in report.notices] == [BAD, BAD]
    assert "24000 Hz and 2 channel(s)" in report.notices[0][1]
    assert "audio 8.30 s, face 8.00 s" in report.notices[1][1]
    assert MotionCache.open(config(root)).num_frames(BAD) == 240


def test_a_segment_that_joins_the_archives_is_read_alone(tmp_path, monkeypatch):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD], "val": [BAD]})
    build_cache(config(root), 1, progress=False)
    moved = make_singinghead(tmp_path / "moved" / "s", {"train": [GOOD], "val": [BAD], "test": [OTHER]})
    monkeypatch.setattr(
        fingerprint, "hash_file", lambda *file: pytest.fail("the archive states the CRC of its members")
    )
    monkeypatch.setattr(cache_match, "hash_files", lambda files: pytest.fail("no time of an archive counts"))
    report = build_cache(config(moved, cache_dir=config(root).cache_dir), 1, progress=False)
    assert (report.kept, report.added, report.reread) == ([GOOD, BAD], [OTHER], [])


def test_a_segment_that_changed_inside_the_archive_is_named(tmp_path):
    root = make_singinghead(tmp_path / "s", {"train": [GOOD], "val": [BAD]})
    build_cache(config(root), 1, progress=False)
    path = root / "audio_seqs.zip"
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:-2] + b"\x11\x11" if name.endswith(f"{BAD}.wav") else content)
    with pytest.raises(InputError, match=rf"recording {BAD} changed .*audio_seqs.zip: {BAD}.wav has another content"):
        MotionCache.open(config(root))
    assert build_cache(config(root), 1, progress=False).reread == [BAD]
