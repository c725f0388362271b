"""The corpora that can be read: by the value of `data.format`, a module that finds and reads recordings."""

from typing import Protocol

from dataloaders.clip import Sources
from dataloaders.corpora import beat, beat2, beat_cache, emoca, singinghead
from dataloaders.recordings import Recording
from emage.config import DataConfig


class Corpus(Protocol):
    """What a module of this package offers."""

    def find_recordings(self, data_config: DataConfig) -> list[Recording]:
        """The recordings below `data_config.root`, by id, of `data_config.speakers` only."""

    def read_sources(self, recording: Recording, data_config: DataConfig) -> Sources:
        """Reads all files of one recording; a fault is an InputError that names the file."""


DATASETS: dict[str, Corpus] = {
    "raw": beat,
    "beat_cache": beat_cache,
    "beat2": beat2,
    "emoca": emoca,
    "singinghead": singinghead,
}


def corpus_notices(recordings: list[Recording], data_config: DataConfig) -> list[str]:
    """What is odd about a corpus as a whole, not about one recording; a module without such checks has none."""
    check = getattr(DATASETS[data_config.format], "corpus_notices", None)
    return check(recordings, data_config) if check else []
