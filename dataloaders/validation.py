"""A corpus looked through without building a cache: which recordings can be used, and why the others cannot."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from dataloaders.corpora import DATASETS, corpus_notices
from dataloaders.recording_reader import read_all
from emage.config import DataConfig
from emage.motion.atomic import write_text_atomic


@dataclass(frozen=True)
class CorpusIndex:
    """What a look through a corpus found.

    Attributes:
        corpus: notices about the corpus as a whole.
        used: by id, what each usable recording is: speaker, split, seconds, frames.
        rejects: by id, why a recording cannot be used.
        notices: by id, what was repaired or assumed.
    """

    corpus: list[str]
    used: dict[str, dict]
    rejects: dict[str, str]
    notices: dict[str, list[str]]

    def save(self, path: str | Path) -> None:
        """Writes it as json."""
        write_text_atomic(path, json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n")


def validate_corpus(data_config: DataConfig, num_processes: int | None = None, *, progress: bool = True) -> CorpusIndex:
    """Reads and checks every recording just as the building of a cache does.

    Args:
        data_config: which corpus, and at what rates.
        num_processes: as `build_cache`.
        progress: shows a bar on stderr.

    Raises:
        InputError: no corpus at `data.root`.
    """
    recordings = DATASETS[data_config.format].find_recordings(data_config)
    by_id = {recording.id: recording for recording in recordings}
    used, rejects, notices = {}, {}, {}
    results = read_all(recordings, data_config, num_processes=num_processes)
    for result in tqdm(results, "validate", len(recordings), unit="recording", disable=not progress):
        key = result.recording_id
        if result.meta is None:
            rejects[key] = result.reject
            continue
        frames = result.meta["num_frames"]
        used[key] = {
            "speaker": by_id[key].speaker,
            "split": by_id[key].subset,
            "frames": frames,
            "seconds": round(frames / result.meta["fps"], 3),
        }
        if result.meta["notices"]:
            notices[key] = result.meta["notices"]
    corpus = corpus_notices(recordings, data_config)
    return CorpusIndex(corpus, *(dict(sorted(rows.items())) for rows in (used, rejects, notices)))
