"""Building a cache: broken recordings are rejected, and no kill at any moment costs more than time."""

import os
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cache_contents import contents, run_forked
from raw_corpus import make_raw_recording

from dataloaders import cache_build, cache_index, recording_reader
from dataloaders.cache import MotionCache, build_cache
from dataloaders.cache_match import FoundCorpus, new_folder
from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS
from emage.config import DataConfig
from emage.errors import InputError

IDS = ["2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"]


def build(config: DataConfig) -> cache_build.BuildReport:
    return build_cache(config, 1, progress=False)


def folder_name(config: DataConfig) -> str:
    corpus = FoundCorpus.of(DATASETS["raw"].find_recordings(config))
    return new_folder(Path(config.cache_dir), corpus, config).name


# --- faults ---


def test_a_missing_root_is_named(config):
    with pytest.raises(InputError, match="data.root: .*nowhere: no such folder"):
        build(replace(config, root="nowhere"))


def spoil_bvh(path: Path, fault: str) -> str:
    """Breaks a motion file; returns what its rejection must say."""
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    if fault == "truncated":
        lines = lines[: first + 100]
    elif fault == "column":
        lines[first + 10] += " 1.0"
    elif fault == "nan":
        lines[first + 10] = lines[first + 10].replace(lines[first + 10].split()[3], "nan", 1)
    path.write_text("\n".join(lines) + "\n")
    return {"truncated": "cut off", "column": f"line {first + 11}", "nan": f"line {first + 11}"}[fault]


@pytest.mark.parametrize("fault", ["truncated", "column", "nan"])
def test_a_broken_recording_is_rejected_with_its_reason_and_the_others_are_used(own_corpus, fault):
    expected = spoil_bvh(Path(own_corpus.root) / "2" / f"{IDS[0]}.bvh", fault)
    report = build(own_corpus)
    assert report.used == IDS[1:]
    ((recording_id, reason),) = report.rejects
    assert recording_id == IDS[0]
    assert expected in reason
    assert "\n" not in reason
    cache = MotionCache.open(own_corpus)
    assert cache.recordings() == IDS[1:]
    assert cache.rejected[IDS[0]][0].speaker == "2"
    with pytest.raises(InputError, match=f"no recording {IDS[0]}: it was rejected: "):
        cache.read(IDS[0], "motion")
    assert build(own_corpus) == report  # the finished cache says the same


def test_nothing_usable_leaves_nothing_behind(own_corpus):
    for path in Path(own_corpus.root).rglob("*.wav"):
        path.write_bytes(b"")
    report = build(own_corpus)
    assert report.path is None
    assert report.used == []
    assert [recording_id for recording_id, _ in report.rejects] == IDS
    assert list(Path(own_corpus.cache_dir).iterdir()) == []


def test_an_error_that_nobody_foresaw_costs_one_recording_and_leaves_its_trace(own_corpus, monkeypatch, caplog):
    def clip(sources, *args):
        if sources.recording_id == IDS[1]:
            raise ZeroDivisionError("a bug")
        return make_clip(sources, *args)

    monkeypatch.setattr(recording_reader, "make_clip", clip)
    report = build(own_corpus)
    assert report.rejects == [(IDS[1], "unexpected ZeroDivisionError: a bug")]
    assert "Traceback" in caplog.text


def test_a_file_that_changes_while_it_is_read_is_no_part_of_the_cache(own_corpus, monkeypatch):
    def clip(sources, *args):
        if sources.recording_id == IDS[2]:
            os.utime(Path(own_corpus.root) / "4" / f"{IDS[2]}.csv", (1, 1))
        return make_clip(sources, *args)

    monkeypatch.setattr(recording_reader, "make_clip", clip)
    assert build(own_corpus).rejects == [(IDS[2], "a file changed while it was read; run the same command again")]


def test_warnings_about_the_sound_become_notices_in_the_cache(own_corpus):
    path = Path(own_corpus.root) / "2" / f"{IDS[0]}.wav"
    path.write_bytes(path.read_bytes()[:-20000])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = build(own_corpus)
    notices = [notice for recording_id, notice in report.notices if recording_id == IDS[0]]
    assert any(f"{IDS[0]}.wav: its header announces" in notice for notice in notices)
    assert MotionCache.open(own_corpus).notices[IDS[0]] == notices


def test_missing_labels_become_notices(own_corpus):
    for ending in ("csv", "txt", "TextGrid"):
        (Path(own_corpus.root) / "2" / f"{IDS[0]}.{ending}").unlink()
    report = build(own_corpus)
    assert report.rejects == []
    notices = [notice for recording_id, notice in report.notices if recording_id == IDS[0]]
    assert any("no TextGrid" in notice for notice in notices)
    cache = MotionCache.open(own_corpus)
    assert cache.notices[IDS[0]] == notices
    assert (cache.read(IDS[0], "word_index") == -1).all()
    assert (cache.read(IDS[0], "semantic") == 0).all()


def test_a_full_map_grows(config, monkeypatch, built):
    monkeypatch.setattr(cache_build, "_FIRST_MAP_BYTES", 1 << 16)
    build(config)
    assert contents(MotionCache.open(config)) == contents(MotionCache.open(built))


def test_readers_in_other_processes_make_the_same_cache(tmp_path):
    for take in range(1, 10):  # more than the readers have in hand at once
        make_raw_recording(tmp_path / "corpus", f"2_scott_0_{take}_{take}", 0.5, seed=take)
    (tmp_path / "corpus" / "2" / "2_scott_0_3_3.wav").write_bytes(b"")
    one = DataConfig(root=str(tmp_path / "corpus"), cache_dir=str(tmp_path / "by_one"))
    two = replace(one, cache_dir=str(tmp_path / "by_two"))
    alone, shared = build(one), build_cache(two, 2, progress=False)
    assert len(shared.used) == 8
    assert (alone.used, alone.rejects, alone.notices) == (shared.used, shared.rejects, shared.notices)
    assert contents(MotionCache.open(one)) == contents(MotionCache.open(two))


# --- kills ---


def kill_at_call(monkeypatch, owner: object, name: str, *, call: int = 1, after: bool = False) -> None:
    """Makes the process kill itself with -9 at a call of owner.name, before or after it has done its work."""
    original, calls = getattr(owner, name), []

    def deadly(*args, **kwargs):
        calls.append(name)
        if len(calls) == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    monkeypatch.setattr(owner, name, deadly)


MOMENTS = {
    "before the database exists": (cache_build, "_open_for_writing", {}),
    "before the first recording is written": (cache_build, "_write", {}),
    "between two recordings": (cache_build, "_write", {"call": 2, "after": True}),
    "inside a transaction": (cache_build, "value_key", {"call": 12}),
    "all recordings written, no index": (cache_build, "_finish", {}),
    "index not written yet": (cache_build, "write_index", {}),
    "index half made": (cache_index, "dump_json", {"call": 2}),
    "index written beside its place": (Path, "replace", {}),
    "index in place": (Path, "replace", {"after": True}),
    "before the final rename": (Path, "rename", {}),
    "after the final rename": (Path, "rename", {"after": True}),
    "before the lock file is removed": (cache_build, "_report", {}),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_a_chosen_moment_costs_nothing(config, built, moment):
    owner, name, when = MOMENTS[moment]

    def work():
        with pytest.MonkeyPatch.context() as patch:
            kill_at_call(patch, owner, name, **when)
            build(config)

    assert run_forked(work) == -signal.SIGKILL
    report = build(config)
    assert report.used == IDS
    assert contents(MotionCache.open(config)) == contents(MotionCache.open(built))
    assert [path.name for path in Path(config.cache_dir).iterdir() if path.suffix == ".partial"] == []
    assert {path.name for path in report.path.iterdir()} == {"data.mdb", "cache.json"}


def test_kills_at_random_moments_cost_nothing(config, built):
    draw = np.random.default_rng(0)
    start = time.perf_counter()
    run_forked(lambda: build(replace(config, cache_dir=f"{config.cache_dir}_timed")))
    whole_s, kills = time.perf_counter() - start, 0
    for attempt in range(4):
        own = replace(config, cache_dir=f"{config.cache_dir}_{attempt}")
        while run_forked(lambda own=own: build(own), kill_after_s=draw.uniform(0, whole_s)) != 0:
            kills += 1
        assert contents(MotionCache.open(own)) == contents(MotionCache.open(built))
    assert kills >= 3


def test_a_resumed_build_reads_only_what_is_missing(config, monkeypatch):
    def work():
        with pytest.MonkeyPatch.context() as patch:
            kill_at_call(patch, cache_build, "_write", call=2, after=True)
            build(config)

    assert run_forked(work) == -signal.SIGKILL
    with pytest.raises(InputError, match=r"not finished; go on with: python tools/build_cache.py"):
        MotionCache.open(config)
    read = []
    monkeypatch.setattr(
        recording_reader, "make_clip", lambda sources, *a: read.append(sources.recording_id) or make_clip(sources, *a)
    )
    assert build(config).used == IDS
    assert read == IDS[2:]


@pytest.mark.parametrize("size", [0, 100, 4096])
def test_a_database_that_was_cut_at_its_birth_is_begun_anew(config, built, size):
    header = (MotionCache.open(built).folder / "data.mdb").read_bytes()[:size]
    folder = Path(config.cache_dir) / f"{folder_name(config)}.partial"
    folder.mkdir(parents=True)
    (folder / "data.mdb").write_bytes(header)
    build(config)
    assert contents(MotionCache.open(config)) == contents(MotionCache.open(built))


def test_a_cache_dir_that_cannot_be_written_to_is_one_line_with_a_remedy(config, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/a/b.lock")

    remedy = "data.cache_dir: .* cannot be written to .*; make it a folder that you can write to, or name another"
    monkeypatch.setattr("dataloaders.cache_lock.FileLock.acquire", refuse)
    with pytest.raises(InputError, match=rf"{config.cache_dir} .*Permission denied"):
        build(config)
    monkeypatch.undo()
    (Path(config.root) / "file").touch()
    with pytest.raises(InputError, match=remedy):
        build(replace(config, cache_dir=str(Path(config.root) / "file" / "caches")))


def test_a_folder_in_the_place_of_the_lock_is_named(config):
    lock = Path(config.cache_dir) / f"{folder_name(config)}.lock"
    lock.mkdir(parents=True)
    with pytest.raises(InputError, match=r"\.lock is a folder.*remove it"):
        build(config)
    lock.rmdir()
    assert build(config).used == IDS


def test_a_second_builder_is_kept_out_until_the_first_is_dead(config):
    folder = Path(config.cache_dir) / folder_name(config)
    folder.parent.mkdir()
    ready, started = os.pipe()

    def work():
        with cache_build._only_builder(folder):
            os.write(started, b"!")
            time.sleep(60)

    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    os.read(ready, 1)
    with pytest.raises(InputError, match="another process builds it just now"):
        build(config)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert build(config).used == IDS  # the file of the lock is still there, the lock is not
    assert not list(folder.parent.glob("*.lock"))
