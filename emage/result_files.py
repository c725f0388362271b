"""All the files of one result beside each other: <stem>.bvh, .json, .csv, .npz ..., each by its own writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emage.errors import InputError

if TYPE_CHECKING:  # the names of the formats are needed where torch is not: in the help of `emage generate`
    import numpy as np

    from emage.performance import Performance
    from emage.words import TimedWord

# Name of a format -> how its file ends, in the order in which they are written.
ENDINGS: dict[str, str] = {
    "bvh": ".bvh",
    "json": ".json",
    "csv": ".csv",
    "npz": ".npz",
    "smplx": "_smplx.npz",
    "words": ".words.json",
    "html": ".html",
    "mp4": ".mp4",
}
FACE_ONLY = ("json", "csv")  # hold nothing but the face
DEFAULT_FORMATS = ("bvh", "json", "csv", "npz", "words", "html")


@dataclass(frozen=True)
class Result:
    """One performance with the speech it was made for.

    Attributes:
        performance: motion and face.
        waveform: (S,) the speech.
        sample_rate: its samples per second.
        words: what is said when.
        bvh: options of `Performance.save_bvh`.
    """

    performance: Performance
    waveform: np.ndarray
    sample_rate: int
    words: Sequence[TimedWord] = ()
    bvh: dict[str, Any] = field(default_factory=dict)


def result_paths(folder: str | Path, stem: str, formats: Sequence[str] = DEFAULT_FORMATS) -> list[Path]:
    """The files that `save_result` writes at most, in its order."""
    return [Path(folder) / f"{stem}{ending}" for name, ending in ENDINGS.items() if name in formats]


def save_result(result: Result, folder: str | Path, stem: str, formats: Sequence[str] = DEFAULT_FORMATS) -> list[Path]:
    """Writes a result in several formats; the face's formats are left out if it has no face.

    Args:
        result: the performance and its speech.
        folder: made if missing.
        stem: file names begin with it.
        formats: keys of ENDINGS.

    Returns:
        The files, each of them there.

    Raises:
        InputError: an unknown format, or as the writers say.
    """
    unknown = [name for name in formats if name not in ENDINGS]
    if unknown:
        raise InputError(f"formats: got {', '.join(unknown)}; choose from {', '.join(ENDINGS)}")
    paths = []
    for name, ending in ENDINGS.items():
        if name not in formats or (name in FACE_ONLY and result.performance.face is None):
            continue
        path = Path(folder) / f"{stem}{ending}"
        _WRITERS[name](result, path)
        if not path.is_file():
            raise OSError(f"{path}: it was written, but is not there")
        paths.append(path)
    return paths


def _write_html(result: Result, path: Path) -> None:
    from emage.viewer.page import write_page  # the viewer is loaded when a picture is asked for

    write_page(path, [_shown(result, path)], sound=_sound(result), words=result.words)


def _write_mp4(result: Result, path: Path) -> None:
    from emage.viewer.video import write_video

    write_video(path, [_shown(result, path)], sound=_sound(result), words=result.words)


def _write_words(result: Result, path: Path) -> None:
    from emage.words import write_words_json

    write_words_json(path, result.words)


def _shown(result: Result, path: Path) -> Any:
    from emage.viewer.shown import shown_performance

    return shown_performance(result.performance, path.stem)


def _sound(result: Result) -> Any:
    from emage.viewer.shown import Sound

    return Sound(result.waveform, result.sample_rate)


_WRITERS: dict[str, Callable[[Result, Path], None]] = {
    "bvh": lambda result, path: result.performance.save_bvh(path, **result.bvh),
    "json": lambda result, path: result.performance.save_arkit_json(path),
    "csv": lambda result, path: result.performance.save_livelink_csv(path),
    "npz": lambda result, path: result.performance.save_npz(path),
    "smplx": lambda result, path: result.performance.save_smplx_npz(path),
    "words": _write_words,
    "html": _write_html,
    "mp4": _write_mp4,
}
