"""Which cache belongs to a corpus, and which of its recordings: by id and content of the files.

Of the caches with the same settings that one is taken which holds most of the corpus' recordings. A file of the size
and the modification time that the cache knows is taken for unchanged; with another time it is hashed, and its time is
remembered if the content is the same.
"""

import json
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

from dataloaders.cache_format import dump_json
from dataloaders.cache_index import PARTIAL_SUFFIX, PLAN_NAME, Facts, Index, Memo, finished_caches, read_index
from dataloaders.corpora import DATASETS
from dataloaders.fingerprint import (
    ABSENT,
    FileState,
    cache_name,
    config_differences,
    file_states,
    hash_files,
    shaping_config,
)
from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError

_Choices = list[tuple[Facts, list[str]]]  # versions, and for each the kinds of file whose time is not known
_EXAMPLES = 3  # recordings that a message names


@dataclass
class FoundCorpus:
    """The recordings of a corpus on disk, and the content of its files as far as it was asked for.

    Attributes:
        recordings: by id.
        states: by id and kind, what each file is without reading it.
    """

    recordings: dict[str, Recording]
    states: dict[str, dict[str, FileState]]
    _hashes: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, recordings: list[Recording]) -> "FoundCorpus":
        """Looks at the files of some recordings."""
        by_id = {recording.id: recording for recording in sorted(recordings, key=lambda recording: recording.id)}
        return cls(by_id, {key: file_states(recording) for key, recording in by_id.items()})

    def hash(self, files: set[tuple[str, str]]) -> None:
        """Reads files, (id, kind) each, that were not read yet."""
        pending = sorted(files - self._hashes.keys())
        if pending:
            self._hashes |= hash_files((self.recordings[key], kind) for key, kind in pending)

    def has_files(self, recording_id: str, files: dict[str, list]) -> bool:
        """A recording's files are still those of [size, stamp, hash] by kind; one of another stamp is read."""
        states = self.states[recording_id]
        if files.keys() != states.keys() or any(files[kind][0] != state.size for kind, state in states.items()):
            return False
        unsure = {(recording_id, kind) for kind, state in states.items() if files[kind][1] != state.stamp}
        self.hash(unsure)
        return all(files[kind][2] == self.hash_of(key, kind) for key, kind in unsure)

    def sizes(self) -> dict[str, dict[str, int]]:
        """Bytes of each file, by id and kind."""
        return {key: {kind: state.size for kind, state in states.items()} for key, states in self.states.items()}

    def hash_of(self, recording_id: str, kind: str) -> str:
        """The hash of a file that was read."""
        return self._hashes[recording_id, kind]


@dataclass
class Match:
    """What a cache and a corpus have in common.

    Attributes:
        folder: of the cache.
        index: its list.
        used: by id, the version of a recording that its files have now.
        rejects: by id, recordings that cannot be read, as their files are now.
        changed: by id, how the files differ from those of every version in the cache.
        missing: ids that the cache does not have.
        removed: ids that only the cache has.
    """

    folder: Path
    index: Index
    memo: Memo
    used: dict[str, Facts] = field(default_factory=dict)
    rejects: dict[str, Facts] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def num_shared(self) -> int:
        """Recordings of the same content in both."""
        return len(self.used) + len(self.rejects)


def match_cache(folder: Path, index: Index, corpus: FoundCorpus, data_config: DataConfig) -> Match:
    """Compares a cache with a corpus; files with another modification time than the cache knows are hashed."""
    match = Match(folder, index, Memo(folder))
    choices = {key: _choices(match, key, states) for key, states in corpus.states.items()}
    if any(map(_to_hash, choices.values())):
        with match.memo.writing():
            choices = {key: _choices(match, key, states) for key, states in corpus.states.items()}
            choices = _decide_by_content(match, corpus, choices)
    for key, rows in choices.items():
        facts = next((facts for facts, unsure in rows if not unsure), None)
        if facts is not None:
            (match.rejects if "reason" in facts else match.used)[key] = facts
        elif key in index["recordings"]:
            match.changed[key] = _difference(corpus, key, index["recordings"][key][-1])
        else:
            match.missing.append(key)
    wanted = set(data_config.speakers)
    match.removed = [
        key
        for key, (*_, facts) in index["recordings"].items()
        if key not in corpus.recordings and (not wanted or facts["recording"]["speaker"] in wanted)
    ]
    return match


def find_match(cache_dir: Path, corpus: FoundCorpus, data_config: DataConfig) -> Match | None:
    """The cache of a corpus; None where there is none.

    A cache that has none of the speakers asked for is found by the other recordings of the corpus.

    Args:
        cache_dir: with any number of caches.
        corpus: the recordings of `data_config.speakers`.
        data_config: where the corpus lies and how it is read.

    Raises:
        InputError: there is none, and the list of a cache that might be it is damaged.
    """
    asked, faults, indexes = shaping_config(data_config), [], {}
    for folder in finished_caches(cache_dir):
        try:
            index = read_index(folder)
        except InputError as error:
            faults.append(error)
            continue
        if index["fingerprint"]["config"] == asked:
            indexes[folder] = index
    best = _best_match(indexes, corpus, data_config)
    if best is None and indexes and data_config.speakers:
        everyone = replace(data_config, speakers=[])
        whole = FoundCorpus.of(DATASETS[data_config.format].find_recordings(everyone))
        home = _best_match(indexes, whole, everyone)
        best = home and match_cache(home.folder, home.index, corpus, data_config)
    if best is None and faults:
        raise faults[0]
    return best


def _best_match(indexes: dict[Path, Index], corpus: FoundCorpus, data_config: DataConfig) -> Match | None:
    """The match with the most recordings in common; None where no cache has one."""
    likely = {folder: _num_likely(index, corpus) for folder, index in indexes.items()}
    best = None
    for folder in sorted(filter(likely.get, likely), key=lambda folder: (-likely[folder], folder)):
        if best is not None and best.num_shared >= likely[folder]:
            break
        match = match_cache(folder, indexes[folder], corpus, data_config)
        if match.num_shared and (best is None or match.num_shared > best.num_shared):
            best = match
    return best


def find_partial(cache_dir: Path, corpus: FoundCorpus, data_config: DataConfig) -> Path | None:
    """The folder that an interrupted build of a corpus is to become; None where there is none.

    The corpus may have changed since: it is the same if a recording has the same id and sizes of files.
    """
    asked, sizes = shaping_config(data_config), corpus.sizes()
    for path in sorted(cache_dir.glob(f"*{PARTIAL_SUFFIX}/{PLAN_NAME}")):
        try:
            plan = json.loads(path.read_bytes())
            alike = plan["config"] == asked and any(sizes.get(key) == row for key, row in plan["sizes"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # killed while it was written: found by its name alone
        if alike:
            return path.parent.with_suffix("")
    return None


def write_plan(partial: Path, corpus: FoundCorpus, data_config: DataConfig) -> None:
    """Says in the folder of an unfinished cache what it is to become."""
    plan = {"config": shaping_config(data_config), "sizes": corpus.sizes()}
    (partial / PLAN_NAME).write_bytes(dump_json(plan))


def new_folder(cache_dir: Path, corpus: FoundCorpus, data_config: DataConfig) -> Path:
    """A folder for a cache that is not there yet."""
    folder = cache_dir / cache_name(shaping_config(data_config), corpus.sizes())
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in count(2))
    return next(path for path in chain([folder], numbered) if not path.exists())


def differences(index: Index, corpus: FoundCorpus, data_config: DataConfig) -> list[str]:
    """Rows that say how a cache that is not that of a corpus differs from what is asked for."""
    rows = config_differences(shaping_config(data_config), index["fingerprint"]["config"])
    if rows:  # the recordings of a cache with other settings are beside the point, or listed in another form
        return rows
    groups = {
        "not in the cache": corpus.recordings.keys() - index["recordings"].keys(),
        "only in the cache": index["recordings"].keys() - corpus.recordings.keys(),
    }
    rows = [f"recordings, {what}: {name_some(sorted(ids))}" for what, ids in groups.items() if ids]
    changed = sorted(corpus.recordings.keys() & index["recordings"].keys())
    if changed:
        example = _difference(corpus, changed[0], index["recordings"][changed[0]][-1])
        rows.append(f"recordings, changed: {name_some(changed)}, e.g. {example}")
    return rows


def name_some(ids: list[str]) -> str:
    """How many there are, and the first of them."""
    more = ", ..." if len(ids) > _EXAMPLES else ""
    return f"{len(ids)} ({', '.join(ids[:_EXAMPLES])}{more})"


def _choices(match: Match, recording_id: str, states: dict[str, FileState]) -> _Choices:
    """The versions that the files may have by their sizes, and for each the kinds whose time is not known."""
    versions = [*reversed(match.index["recordings"].get(recording_id, []))]
    if recording_id in match.index["rejects"]:
        versions.append(match.index["rejects"][recording_id])
    rows = []
    for facts in versions:
        files = facts["files"]
        if files.keys() != states.keys() or any(files[kind][0] != state.size for kind, state in states.items()):
            continue
        unsure = [
            kind
            for kind, state in states.items()
            if state.stamp != files[kind][1] and not match.memo.has_stamp(recording_id, facts, kind, state.stamp)
        ]
        rows.append((facts, unsure))
    return rows


def _to_hash(rows: _Choices) -> _Choices:
    """The choices that only the content can decide; none if a version is known by size and time."""
    return rows if all(unsure for _, unsure in rows) else []


def _decide_by_content(match: Match, corpus: FoundCorpus, choices: dict[str, _Choices]) -> dict[str, _Choices]:
    """Hashes the files that size and time leave open; the choices without those that have another content."""
    corpus.hash({(key, kind) for key, rows in choices.items() for _, unsure in _to_hash(rows) for kind in unsure})
    decided = {}
    for key, rows in choices.items():
        decided[key] = [(facts, unsure) for facts, unsure in rows if not unsure]
        for facts, unsure in _to_hash(rows):
            if all(facts["files"][kind][2] == corpus.hash_of(key, kind) for kind in unsure):
                decided[key].append((facts, []))
                for kind in unsure:
                    match.memo.add_stamp(key, facts, kind, corpus.states[key][kind].stamp)
    return decided


def _num_likely(index: Index, corpus: FoundCorpus) -> int:
    """Recordings of a corpus that have a version of the same sizes in a cache."""
    likely = 0
    for key, states in corpus.states.items():
        sizes = {kind: state.size for kind, state in states.items()}
        versions = [*index["recordings"].get(key, []), *filter(None, [index["rejects"].get(key)])]
        likely += any({kind: row[0] for kind, row in facts["files"].items()} == sizes for facts in versions)
    return likely


def _difference(corpus: FoundCorpus, recording_id: str, facts: Facts) -> str:
    """The first file of a recording that is not as a version had it."""
    recording, states = corpus.recordings[recording_id], corpus.states[recording_id]
    for kind in sorted(states.keys() - facts["files"].keys()):
        return f"{recording.paths[kind]} is new"
    for kind in sorted(facts["files"].keys() - states.keys()):
        return f"its {kind} file is gone"
    for kind, state in states.items():
        size, _, content = facts["files"][kind]
        member = f": {recording.members[kind]}" if kind in recording.members else ""
        if state == ABSENT:
            return f"{recording.paths[kind]}{member} cannot be read"
        if size != state.size:
            return f"{recording.paths[kind]}{member} has {state.size} bytes instead of {size}"
        corpus.hash({(recording_id, kind)})
        if corpus.hash_of(recording_id, kind) != content:
            return f"{recording.paths[kind]}{member} has another content"
    raise AssertionError(f"{recording_id}: its files are those of the cache")
