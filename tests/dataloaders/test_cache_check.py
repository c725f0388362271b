"""Damage to a cache: one line that names it, never a bus error, and the builder reads again what is lost."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cache_contents import contents, run_forked

from dataloaders import cache_check, recording_reader
from dataloaders.cache import BuildReport, MotionCache, build_cache
from dataloaders.clip import make_clip
from emage.config import DataConfig
from emage.errors import InputError

IDS = ["2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"]


def build(config: DataConfig) -> BuildReport:
    return build_cache(config, 1, progress=False)


def folder_of(config: DataConfig) -> Path:
    (folder,) = Path(config.cache_dir).iterdir()
    return folder


def flip(path: Path, place: int, count: int = 1) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        old = file.read(count)
        file.seek(place)
        file.write(bytes(byte ^ 0xFF for byte in old))


def place_of(config: DataConfig, recording_id: str, stream: str) -> int:
    """Where the middle of a value lies in the data file."""
    get = MotionCache.open(config)._readers["data.mdb"].get
    value, unique = get(f"{recording_id}/{stream}".encode()), get(f"{recording_id}/motion".encode())
    first = (folder_of(config) / "data.mdb").read_bytes().find(bytes(unique))
    assert first > 0
    address, base = (np.frombuffer(view, np.uint8).__array_interface__["data"][0] for view in (value, unique))
    return first + address - base + len(value) // 2


def open_in_a_process_of_its_own(config: DataConfig) -> int:
    """0 if everything could be read, 3 for an InputError, -n for death by a signal."""

    def work():
        try:
            contents(MotionCache.open(config))
        except InputError:
            os._exit(3)

    return run_forked(work)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_cut_data_file_is_one_line_and_no_bus_error(own_cache, built, share):
    data = folder_of(own_cache) / "data.mdb"
    whole = data.stat().st_size
    os.truncate(data, int(share * whole))
    with pytest.raises(InputError, match=rf"data.mdb: cut off: {int(share * whole)} of {whole} bytes; copy or build"):
        MotionCache.open(own_cache)
    with pytest.raises(InputError, match="cut off"):
        MotionCache.open(replace(own_cache, root="nowhere"))
    assert open_in_a_process_of_its_own(own_cache) == 3
    report = build(own_cache)
    assert (report.reread, report.kept) == (IDS, [])
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))


def test_a_file_that_is_cut_while_it_is_open_is_refused_by_the_next_process(own_cache):
    cache = MotionCache.open(own_cache)
    os.truncate(folder_of(own_cache) / "data.mdb", 100_000)

    def work():
        try:
            cache.read(IDS[0], "motion")
        except InputError:
            os._exit(3)

    assert run_forked(work) == 3


@pytest.mark.parametrize("stream", ["motion", "waveform", "word_index", "semantic", "meta", "sums", "words"])
def test_a_flipped_byte_is_named_by_recording_and_stream_and_read_again_alone(own_cache, built, monkeypatch, stream):
    place = place_of(built, IDS[1], stream)
    flip(folder_of(own_cache) / "data.mdb", place)
    for config in (own_cache, replace(own_cache, root="nowhere")):
        with pytest.raises(InputError, match=f"data.mdb: {IDS[1]}: the stream {stream} is damaged.*build_cache.py"):
            MotionCache.open(config)
    read = []
    monkeypatch.setattr(recording_reader, "make_clip", lambda s, *a: read.append(s.recording_id) or make_clip(s, *a))
    report = build(own_cache)
    assert (read, report.reread, report.kept) == ([IDS[1]], [IDS[1]], [IDS[0], IDS[2]])
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))


def test_damage_of_a_speaker_who_is_not_built_is_not_forgotten(own_cache, built):
    flip(folder_of(own_cache) / "data.mdb", place_of(built, IDS[2], "motion"))
    build(replace(own_cache, speakers=["2"]))
    assert MotionCache.open(replace(own_cache, speakers=["2"])).recordings() == IDS[:2]
    with pytest.raises(InputError, match="none of speaker 4 is; add what is missing"):
        MotionCache.open(own_cache)
    assert build(own_cache).used == IDS
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))


def test_no_random_damage_goes_unseen_or_ends_the_process(own_cache, built):
    data, expected = folder_of(own_cache) / "data.mdb", contents(MotionCache.open(built))
    whole, draw, outcomes = data.read_bytes(), np.random.default_rng(0), []
    for _ in range(12):
        data.write_bytes(whole)
        flip(data, int(draw.integers(0, len(whole))), int(draw.choice([1, 40, 20_000])))
        status = open_in_a_process_of_its_own(own_cache)
        assert status in (0, 3)
        if status == 0:  # a gap that no value is read from
            assert contents(MotionCache.open(own_cache)) == expected
        outcomes.append(status)
    assert outcomes.count(3) > 6


@pytest.mark.parametrize("page", [0, 1, "tree"])
def test_a_damaged_search_tree_is_one_line_and_everything_is_read_again(own_cache, built, page):
    data = folder_of(own_cache) / "data.mdb"
    if page == "tree":  # the pages with the keys: what points to all values
        content = data.read_bytes()
        for start in range(8192, len(content), 4096):
            if b"/waveform" in content[start : start + 4096]:
                flip(data, start, 4096)
    else:
        flip(data, 4096 * page, 4096)
        flip(data, 4096 * (1 - page) + 16, 64)
    with pytest.raises(InputError, match="data.mdb: damaged, nothing of it can be used; copy or build it again"):
        MotionCache.open(own_cache)
    assert build(own_cache).reread == IDS
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))


@pytest.mark.parametrize("content", [b"", b"junk" * 5000, None])
def test_a_data_file_that_is_none_is_one_line(own_cache, built, content):
    data = folder_of(own_cache) / "data.mdb"
    if content is None:
        data.unlink()
    else:
        data.write_bytes(content)
    with pytest.raises(InputError, match="data.mdb: .*copy or build it again") as error:
        MotionCache.open(own_cache)
    assert "\n" not in str(error.value)
    build(own_cache)
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b"7", b'{"fingerprint": 3}', b'{"fingerprint": {"config": {}}}', b"\xff\xfe"],
)
def test_a_list_that_is_none_is_one_line(own_cache, content):
    (folder_of(own_cache) / "cache.json").write_bytes(content)
    for ask in (MotionCache.open, build):
        for config in (own_cache, replace(own_cache, root="nowhere")):
            if ask is build and config.root == "nowhere":
                continue
            with pytest.raises(InputError, match="cache.json is damaged: .*move the folder away and build it") as error:
                ask(config)
            assert "\n" not in str(error.value)


def test_a_list_that_may_not_be_read_is_not_called_damaged(own_cache, monkeypatch):
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "cache.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for ask in (MotionCache.open, build):
        with pytest.raises(InputError, match=r"cache.json cannot be read \(Permission denied\); give yourself"):
            ask(own_cache)


def test_a_cut_deep_or_changed_list_is_one_line(own_cache):
    path = folder_of(own_cache) / "cache.json"
    whole = path.read_bytes()
    digit = whole.index(b'"num_frames":60') + len(b'"num_frames":')
    for content in (whole[: len(whole) // 2], b"[" * 100_000, whole[:digit] + b"7" + whole[digit + 1 :]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cache.json is damaged: "):
            MotionCache.open(own_cache)


def test_a_damaged_cache_beside_does_not_keep_from_the_one_asked_for(own_cache, built):
    shutil.copytree(folder_of(own_cache), Path(own_cache.cache_dir) / "copy")
    (Path(own_cache.cache_dir) / "copy" / "cache.json").write_bytes(b"[]")
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))


def test_a_copy_is_checked_once_and_a_change_is_found_whatever_its_time(own_cache, monkeypatch):
    checked = []
    checksum = cache_check.file_checksum
    monkeypatch.setattr(cache_check, "file_checksum", lambda path: checked.append(path.name) or checksum(path))
    for _ in range(3):
        MotionCache.open(own_cache)
    assert checked == ["data.mdb"]
    data = folder_of(own_cache) / "data.mdb"
    status = data.stat()
    flip(data, place_of(own_cache, IDS[0], "motion"))
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match=f"{IDS[0]}: the stream motion is damaged"):
        MotionCache.open(own_cache)


def test_a_cache_that_was_built_here_is_not_read_through_again(own_corpus, monkeypatch):
    build(own_corpus)
    monkeypatch.setattr(cache_check, "file_checksum", lambda path: pytest.fail("read through"))
    assert MotionCache.open(own_corpus).recordings() == IDS


def test_a_read_only_folder_is_checked_at_each_opening(own_cache, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr("dataloaders.cache_index.write_text_atomic", refuse)
    monkeypatch.setattr("dataloaders.cache_index.locked", refuse)
    for _ in range(2):
        assert MotionCache.open(own_cache).recordings() == IDS
    flip(folder_of(own_cache) / "data.mdb", place_of(own_cache, IDS[0], "motion"))
    with pytest.raises(InputError, match="the stream motion is damaged"):
        MotionCache.open(own_cache)
