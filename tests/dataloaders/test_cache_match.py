"""Which cache a corpus is served by: found by content, extended by what it lacks, and refused where a file changed."""

import os
import pickle
import shutil
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from cache_contents import contents, run_forked
from raw_corpus import make_raw_recording

from dataloaders import cache_build, cache_match, fingerprint, recording_reader
from dataloaders.cache import BuildReport, MotionCache, build_cache
from dataloaders.clip import make_clip
from emage.config import DataConfig
from emage.errors import InputError, InputWarning

IDS = ["2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"]
NEW = "2_scott_0_10_10"


def build(config: DataConfig) -> BuildReport:
    return build_cache(config, 1, progress=False)


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Ids of the recordings that are read from their files from now on."""
    ids = []

    def clip(sources, *rest):
        ids.append(sources.recording_id)
        return make_clip(sources, *rest)

    monkeypatch.setattr(recording_reader, "make_clip", clip)
    return ids


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Names of the files that are hashed from now on."""
    names = []

    def hash_files(files):
        files = list(files)
        names.extend(recording.paths[kind].name for recording, kind in files)
        return fingerprint.hash_files(files)

    monkeypatch.setattr(cache_match, "hash_files", hash_files)
    return names


@pytest.fixture(autouse=True)
def no_warning():
    """A warning that a test does not expect fails it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        yield


def file_of(config: DataConfig, recording_id: str, ending: str) -> Path:
    return Path(config.root) / recording_id.split("_")[0] / f"{recording_id}.{ending}"


def change(path: Path) -> None:
    """Another content of the same size and modification time but for a nanosecond."""
    content, status = bytearray(path.read_bytes()), path.stat()
    place = content.rindex(b"4") if b"4" in content else len(content) - 1
    content[place] = ord("5") if b"4" in content else content[place] ^ 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def touch_all(config: DataConfig) -> int:
    paths = [path for path in Path(config.root).rglob("*.*") if path.is_file()]
    for path in paths:
        os.utime(path, (1, 1))
    return len(paths)


# --- the same content is the same corpus ---


def test_a_copy_without_times_at_another_place_is_hashed_once_and_served(own_cache, built, read, hashed):
    count = touch_all(own_cache)
    expected = contents(MotionCache.open(built))
    assert hashed == []  # sizes and times are those of the build
    assert contents(MotionCache.open(own_cache)) == expected
    assert len(hashed) == count
    assert contents(MotionCache.open(own_cache)) == expected
    report = build(own_cache)
    assert (report.kept, report.added, report.reread) == (IDS, [], [])
    assert read == []
    assert len(hashed) == count  # the new times were remembered


def test_two_copies_of_a_corpus_take_turns_without_hashing_again(own_cache, hashed):
    original = replace(own_cache, root=str(Path(own_cache.root).with_name("second")))
    shutil.copytree(own_cache.root, original.root)
    count = touch_all(own_cache)
    for config in (own_cache, original, own_cache, original):
        MotionCache.open(config)
    assert len(hashed) == count


def test_where_the_memo_cannot_be_written_each_start_hashes(own_cache, hashed, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Read-only file system")

    count = touch_all(own_cache)
    monkeypatch.setattr("dataloaders.cache_index.write_text_atomic", refuse)
    monkeypatch.setattr("dataloaders.cache_index.locked", refuse)
    for _ in range(2):
        assert MotionCache.open(own_cache).recordings() == IDS
    assert len(hashed) == 2 * count


def test_of_processes_that_start_at_once_one_hashes(own_cache, tmp_path, monkeypatch):
    log, count = tmp_path / "log", touch_all(own_cache)

    def hash_files(files):
        files = list(files)
        with open(log, "a") as file:
            file.writelines(f"{recording.paths[kind].name}\n" for recording, kind in files)
        return fingerprint.hash_files(files)

    monkeypatch.setattr(cache_match, "hash_files", hash_files)
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            os._exit(MotionCache.open(own_cache).recordings() != IDS)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]
    assert len(log.read_text().splitlines()) == count


def test_a_damaged_memo_costs_time_alone(own_cache, hashed):
    count = touch_all(own_cache)
    MotionCache.open(own_cache)
    (memo,) = Path(own_cache.cache_dir).glob("*/checked.json")
    for junk in (b"", b"[]", b"{", b"\xff", memo.read_bytes().replace(b"1", b"2")):
        memo.write_bytes(junk)
        hashed.clear()
        assert MotionCache.open(own_cache).recordings() == IDS
        assert len(hashed) == count


def test_any_speakers_of_a_cache_are_served(own_cache, read):
    for speakers, ids in ((["2"], IDS[:2]), (["4"], IDS[2:]), (["2", "4"], IDS), ([], IDS)):
        config = replace(own_cache, speakers=speakers)
        cache = MotionCache.open(config)
        assert (cache.recordings(), list(cache.known)) == (ids, ids)
        assert build(config).used == ids
    assert read == []
    with pytest.raises(InputError, match=f"no recording {IDS[2]}"):
        MotionCache.open(replace(own_cache, speakers=["2"])).read(IDS[2], "motion")


def test_another_speaker_is_added_to_the_cache(own_corpus, built, read):
    build(replace(own_corpus, speakers=["2"]))
    for speakers in ([], ["4"], ["2", "4"]):
        with pytest.raises(InputError, match=r"recordings not in the cache: 1 \(4_law.*none of speaker 4 is; add what"):
            MotionCache.open(replace(own_corpus, speakers=speakers))
    report = build(replace(own_corpus, speakers=["4"]))
    assert (report.used, report.kept, report.added) == (IDS[2:], [], IDS[2:])
    assert (build(own_corpus).kept, read) == (IDS, IDS)
    assert contents(MotionCache.open(own_corpus)) == contents(MotionCache.open(built))
    assert len(list(Path(own_corpus.cache_dir).iterdir())) == 1


def test_equal_content_has_an_equal_fingerprint_however_it_was_built(own_corpus, built):
    build(replace(own_corpus, speakers=["4"]))
    build(own_corpus)
    fingerprints = {MotionCache.open(config).fingerprint for config in (own_corpus, built)}
    assert len(fingerprints) == 1
    assert MotionCache.open(replace(built, speakers=["2"])).fingerprint not in fingerprints


# --- added, removed, changed ---


def test_an_added_recording_is_left_out_with_a_warning_until_it_is_built(own_cache, read):
    before = contents(MotionCache.open(own_cache))
    make_raw_recording(Path(own_cache.root), NEW, 1.0)
    with pytest.warns(InputWarning, match=rf"recordings not in the cache, left out: 1 \({NEW}\); add what is missing:"):
        assert contents(MotionCache.open(own_cache)) == before
    report = build(own_cache)
    assert (report.kept, report.added, report.reread, report.removed) == (IDS, [NEW], [], [])
    assert read == [NEW]
    after = contents(MotionCache.open(own_cache))
    assert {key: after[key] for key in before} == before
    assert MotionCache.open(own_cache).num_frames(NEW) == 15
    assert build(own_cache) == report


def test_one_recording_after_the_other_can_be_added(own_cache, read):
    ids = [f"2_scott_0_{take}_{take}" for take in range(20, 26)]
    for take, recording_id in enumerate(ids):
        make_raw_recording(Path(own_cache.root), recording_id, 0.5, seed=take)
        assert build(own_cache).added == [recording_id]
    assert read == ids
    fresh = replace(own_cache, cache_dir=own_cache.cache_dir + "_fresh")
    build(fresh)
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(fresh))


def test_a_removed_recording_is_left_out_with_a_warning(own_cache, read):
    for path in Path(own_cache.root).rglob(f"{IDS[1]}.*"):
        path.unlink()
    with pytest.warns(InputWarning, match=rf"data.root does not have any more, left out: 1 \({IDS[1]}\)"):
        assert MotionCache.open(own_cache).recordings() == [IDS[0], IDS[2]]
    report = build(own_cache)
    assert (report.used, report.removed, read) == ([IDS[0], IDS[2]], [IDS[1]], [])


def test_a_removed_recording_that_comes_back_is_not_read_again(own_cache, read):
    gone = {path: path.read_bytes() for path in Path(own_cache.root).rglob(f"{IDS[1]}.*")}
    for path in gone:
        path.unlink()
    build(own_cache)
    for path, content in gone.items():
        path.write_bytes(content)
    assert MotionCache.open(own_cache).recordings() == IDS
    assert (build(own_cache).kept, read) == (IDS, [])


@pytest.mark.parametrize("ending", ["bvh", "json", "wav", "TextGrid", "csv", "txt"])
def test_a_changed_recording_is_refused_by_name_and_alone_read_again(own_cache, read, ending):
    path = file_of(own_cache, IDS[1], ending)
    change(path)
    with pytest.raises(InputError) as error:
        MotionCache.open(own_cache)
    message = str(error.value)
    assert f"recording {IDS[1]} changed since it was built: {path} has another content" in message
    assert "python tools/build_cache.py data.format=raw" in message
    report = build(own_cache)
    assert read == [IDS[1]]
    assert (report.kept, report.added, report.reread) == ([IDS[0], IDS[2]], [], [IDS[1]])
    fresh = replace(own_cache, cache_dir=own_cache.cache_dir + "_fresh")
    build(fresh)
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(fresh))


def test_another_size_a_new_and_a_lost_file_are_changes(own_cache, read):
    path = file_of(own_cache, IDS[0], "txt")
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=rf"{path} has \d+ bytes instead of \d+"):
        MotionCache.open(own_cache)
    path.unlink()
    with pytest.raises(InputError, match=f"recording {IDS[0]} changed since it was built: its semantic file is gone"):
        MotionCache.open(own_cache)
    assert build(own_cache).reread == [IDS[0]]
    path.write_text("0 0 0 0 0 0")
    with pytest.raises(InputError, match=f"{path} is new"):
        MotionCache.open(own_cache)


def test_a_changed_recording_of_a_speaker_who_is_not_asked_for_does_not_matter(own_cache):
    change(file_of(own_cache, IDS[2], "csv"))
    assert MotionCache.open(replace(own_cache, speakers=["2"])).recordings() == IDS[:2]


def test_changed_back_is_served_from_before(own_cache, built, read):
    path = file_of(own_cache, IDS[1], "csv")
    before = path.read_bytes()
    change(path)
    build(own_cache)
    read.clear()
    path.write_bytes(before)
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))
    assert (build(own_cache).kept, read) == (IDS, [])


def test_a_link_to_nowhere_costs_its_recording_alone(own_cache):
    (Path(own_cache.root) / "2" / f"{NEW}.bvh").symlink_to("nowhere")
    with pytest.warns(InputWarning, match=rf"left out: 1 \({NEW}\)"):
        assert MotionCache.open(own_cache).recordings() == IDS
    report = build(own_cache)
    assert (report.kept, [key for key, _ in report.rejects]) == (IDS, [NEW])
    path = file_of(own_cache, IDS[0], "wav")
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(InputError, match=f"recording {IDS[0]} changed since it was built: {path} cannot be read"):
        MotionCache.open(own_cache)


def test_the_only_recording_of_a_corpus_that_changed_is_named(tmp_path):
    make_raw_recording(tmp_path / "corpus", NEW, 1.0)
    config = DataConfig(root=str(tmp_path / "corpus"), cache_dir=str(tmp_path / "caches"))
    build(config)
    build(replace(config, fps=30.0))
    path = file_of(config, NEW, "bvh")
    change(path)
    with pytest.raises(
        InputError, match=rf"recordings, changed: 1 \({NEW}\), e.g. {path} has another content; build it"
    ):
        MotionCache.open(config)
    assert build(config).used == [NEW]


def test_a_rejected_recording_is_read_again_when_it_was_mended(own_corpus, built, read):
    path = file_of(own_corpus, IDS[0], "wav")
    content = path.read_bytes()
    path.write_bytes(b"")
    assert [key for key, _ in build(own_corpus).rejects] == [IDS[0]]
    assert [key for key, _ in build(own_corpus).rejects] == [IDS[0]]
    assert read == IDS[1:]
    path.write_bytes(content)
    with pytest.warns(InputWarning, match="left out"):
        MotionCache.open(own_corpus)
    report = build(own_corpus)
    assert (report.rejects, report.added, read[2:]) == ([], [IDS[0]], IDS[:1])
    assert contents(MotionCache.open(own_corpus)) == contents(MotionCache.open(built))


def test_a_recording_that_is_spoiled_becomes_a_reject_and_mended_is_served_from_before(own_cache, built, read):
    path = file_of(own_cache, IDS[0], "wav")
    content = path.read_bytes()
    path.write_bytes(b"")
    report = build(own_cache)
    assert (report.used, [key for key, _ in report.rejects]) == (IDS[1:], [IDS[0]])
    assert set(MotionCache.open(own_cache).rejected) == {IDS[0]}
    path.write_bytes(content)
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))
    assert read == []


# --- several corpora in one folder ---


def test_two_corpora_of_equal_ids_and_sizes_do_not_mix(own_cache, built, read):
    other = replace(own_cache, root=str(Path(own_cache.root).with_name("other")))
    shutil.copytree(own_cache.root, other.root)
    for recording_id in IDS:
        change(file_of(other, recording_id, "bvh"))
    with pytest.raises(InputError, match=r"no cache of this data; \w{12} there differs in recordings, changed: 3"):
        MotionCache.open(other)
    assert build(other).added == read == IDS
    assert len(list(Path(own_cache.cache_dir).iterdir())) == 2
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(built))
    assert contents(MotionCache.open(other)) != contents(MotionCache.open(built))
    for config in (own_cache, other):
        assert (build(config).kept, read) == (IDS, IDS)


def test_corpora_that_share_recordings_share_a_cache_and_keep_their_own_versions(own_cache, built, read):
    other = replace(own_cache, root=str(Path(own_cache.root).with_name("other")))
    shutil.copytree(own_cache.root, other.root)
    change(file_of(other, IDS[0], "bvh"))
    open_before = MotionCache.open(own_cache)
    assert (build(other).reread, read) == (IDS[:1], IDS[:1])
    for cache in (open_before, MotionCache.open(own_cache), pickle.loads(pickle.dumps(open_before))):
        assert contents(cache) == contents(MotionCache.open(built))
    assert contents(MotionCache.open(other)) != contents(open_before)
    assert (build(own_cache).kept, build(other).kept, read) == (IDS, IDS, IDS[:1])


# --- extension: kills and readers ---


def kill_at(monkeypatch, owner: object, name: str, call: int) -> None:
    """Makes the process kill itself with -9 at a call of owner.name, before it has done its work."""
    original, calls = getattr(owner, name), []

    def deadly(*args, **kwargs):
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, deadly)


MOMENTS = {
    "before the data file exists": (cache_build, "_open_for_writing", 1),
    "before the first recording": (cache_build, "_write", 1),
    "inside a transaction": (cache_build, "value_key", 12),
    "between two recordings": (cache_build, "_write", 2),
    "all recordings written": (cache_build, "_finish", 1),
    "before the list is written": (cache_build, "write_index", 1),
    "list written beside its place": (Path, "replace", 1),
    "list in place": (cache_build, "_report", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_extension_leaves_the_cache_whole_and_goes_on(own_cache, built, moment):
    before = contents(MotionCache.open(built))
    more = [NEW, "2_scott_0_11_11"]
    for seed, recording_id in enumerate(more, 10):
        make_raw_recording(Path(own_cache.root), recording_id, 1.0, seed=seed)

    def work():
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, *MOMENTS[moment])
            build(own_cache)

    assert run_forked(work) == -signal.SIGKILL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        after_kill = contents(MotionCache.open(own_cache))
    assert {key: after_kill[key] for key in before} == before
    report = build(own_cache)
    assert report.used == sorted([*IDS, *more])
    fresh = replace(own_cache, cache_dir=own_cache.cache_dir + "_fresh")
    build(fresh)
    assert contents(MotionCache.open(own_cache)) == contents(MotionCache.open(fresh))
    assert {path.suffix for path in report.path.iterdir()} <= {".mdb", ".json", ".new"}


def test_a_killed_extension_goes_on_where_it_was(own_cache, read):
    more = [NEW, "2_scott_0_11_11"]
    for recording_id in more:
        make_raw_recording(Path(own_cache.root), recording_id, 1.0)

    def work():
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, cache_build, "_write", 2)
            build(own_cache)

    assert run_forked(work) == -signal.SIGKILL
    assert build(own_cache).added == more
    assert read == more[1:]


def test_what_a_killed_build_wrote_of_a_file_that_changed_since_is_read_again(own_corpus, read):
    def work():
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, cache_build, "_write", 3)
            build(own_corpus)

    assert run_forked(work) == -signal.SIGKILL
    change(file_of(own_corpus, IDS[0], "bvh"))
    os.utime(file_of(own_corpus, IDS[1], "bvh"), (1, 1))  # the same content
    make_raw_recording(Path(own_corpus.root), NEW, 1.0)
    assert build(own_corpus).used == sorted([*IDS, NEW])
    assert read == sorted([IDS[0], NEW, IDS[2]])
    assert len(list(Path(own_corpus.cache_dir).iterdir())) == 1
    MotionCache.open(own_corpus)


def test_who_reads_while_the_cache_is_extended_meets_no_change(own_cache, built):
    cache = MotionCache.open(own_cache)
    expected = contents(cache)
    late = pickle.dumps(cache)  # a loader process that starts after the extension
    change(file_of(own_cache, IDS[0], "bvh"))
    make_raw_recording(Path(own_cache.root), NEW, 1.0)
    build(own_cache)
    assert contents(cache) == contents(pickle.loads(late)) == expected == contents(MotionCache.open(built))


def test_a_second_extension_is_kept_out(own_cache):
    make_raw_recording(Path(own_cache.root), NEW, 1.0)
    (folder,) = Path(own_cache.cache_dir).iterdir()
    with cache_build._only_builder(folder), pytest.raises(InputError, match="another process builds it just now"):
        build(own_cache)
    assert build(own_cache).added == [NEW]
    assert not list(folder.parent.glob("*.lock"))
