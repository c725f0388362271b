"""The folder of results, as SingingHead's README lays it out, and what lies where in it.

    eval_folder
    ├── input_audio/<id>.wav                   or another sound file, or a video with the sound
    └── generated
        ├── gt_videos/<id>.mp4                 the real ones
        ├── <method>_videos/<id>.mp4           of one method; also <method>_generated_videos, and _generaed_videos
        └── ...

What a file is goes by its ending, so it may lie in the folder of the videos or in one of its own (<method>_flame,
<method>_landmarks, gt_flame ...; the endings of the folder's name are cut off):

    .mp4 .mov .avi .mkv .webm   video
    .npz .pkl                   FLAME codes (see `emage.motion.flame_file`); several samples of one recording: the first
                                axis of the arrays, or a sub-folder for each sample, <method>_flame/<any name>/<id>.npz
    .npy                        landmarks (frames, 68, 2) in pixels of the video, NaN where no face was found
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from emage.errors import InputError
from emage.motion.flame_file import MOTION_SUFFIXES
from emage.singinghead_suite.frames import VIDEO_SUFFIXES
from emage.sound_endings import SOUND_ENDINGS, VIDEO_ENDINGS

GROUND_TRUTH = "gt"
LANDMARK_SUFFIXES = (".npy",)
_FOLDER_ENDING = re.compile(r"(?:_(?:generated|generaed))?(?:_(?:videos?|flame|flame_seqs|motions?|landmarks))?$", re.I)


@dataclass
class Method:
    """The results of one method, or the real recordings.

    Attributes:
        name: of the method; `gt` for the real ones.
        videos: recording id -> file.
        motions: recording id -> files, one for each sample.
        landmarks: recording id -> file.
        num_samples: sub-folders of samples, 1 without.
    """

    name: str
    videos: dict[str, Path] = field(default_factory=dict)
    motions: dict[str, list[Path]] = field(default_factory=dict)
    landmarks: dict[str, Path] = field(default_factory=dict)
    num_samples: int = 1

    @property
    def ids(self) -> set[str]:
        """Recordings of which there is anything."""
        return set(self.videos) | set(self.motions) | set(self.landmarks)


@dataclass(frozen=True)
class EvalFolder:
    """An eval_folder.

    Attributes:
        root: the folder.
        ground_truth: the real recordings.
        methods: what is to be scored, by name.
        audio: recording id -> sound file.
        notices: what was left aside.
    """

    root: Path
    ground_truth: Method
    methods: tuple[Method, ...]
    audio: dict[str, Path]
    notices: tuple[str, ...]


def find_results(root: str | Path) -> EvalFolder:
    """Looks through an eval_folder; no file is opened.

    Raises:
        InputError: no such folder, no `generated` in it, no ground truth, no method, or two files for one thing.
    """
    root = Path(root)
    generated = root / "generated"
    if not generated.is_dir():
        raise InputError(f"{root}: no folder generated/; expected generated/gt_videos and generated/<method>_videos")
    found: dict[str, Method] = {}
    notices: list[str] = []
    for folder in _visible(generated):
        if not folder.is_dir():
            notices.append(f"{folder.relative_to(root)}: left aside, it lies in no folder of a method")
            continue
        name = _FOLDER_ENDING.sub("", folder.name) or folder.name
        notices += _add_folder(found.setdefault(name, Method(name)), folder, root)
    ground_truth = found.pop(GROUND_TRUTH, None)
    methods = tuple(method for _, method in sorted(found.items()) if method.ids)
    if ground_truth is None or not ground_truth.ids:
        raise InputError(f"{generated}: no ground truth; expected gt_videos/ (mp4, landmarks npy, FLAME npz or pkl)")
    if not methods:
        raise InputError(f"{generated}: nothing beside the ground truth; expected <method>_videos/ or <method>_flame/")
    audio: dict[str, Path] = {}
    if not (root / "input_audio").is_dir():
        notices.append("no folder input_audio/: without sound there is no beat alignment")
    files = _visible(root / "input_audio") if (root / "input_audio").is_dir() else []
    for path in files:
        if path.suffix.lower() in SOUND_ENDINGS:
            _enter(audio, path)
    for path in files:  # a video is the sound of a recording that has no sound file
        if path.suffix.lower() in VIDEO_ENDINGS:
            audio.setdefault(path.stem, path)
    return EvalFolder(root, ground_truth, methods, audio, tuple(notices))


def _add_folder(method: Method, folder: Path, root: Path) -> list[str]:
    """Enters the files of one folder; returns what was left aside."""
    notices, samples = [], []
    for path in _visible(folder):
        suffix = path.suffix.lower()
        if path.is_dir():
            samples.append(path)
        elif suffix in VIDEO_SUFFIXES:
            _enter(method.videos, path)
        elif suffix in LANDMARK_SUFFIXES:
            _enter(method.landmarks, path)
        elif suffix in MOTION_SUFFIXES:
            _enter_motion(method, path)
        else:
            notices.append(f"{path.relative_to(root)}: left aside, {suffix or 'no'} ending is known")
    if samples and method.motions:
        raise InputError(f"{folder}: FLAME files beside folders of samples; keep all samples in folders of their own")
    for sample in samples:
        for path in _visible(sample):
            if path.suffix.lower() in MOTION_SUFFIXES:
                method.motions.setdefault(path.stem, []).append(path)
            else:
                notices.append(f"{path.relative_to(root)}: left aside, a folder of samples holds FLAME files")
    method.num_samples = max(len(samples), method.num_samples)
    return notices


def _enter(table: dict[str, Path], path: Path) -> None:
    other = table.setdefault(path.stem, path)
    if other != path:
        raise InputError(f"{path}: {other} is of the same recording; keep one of them")


def _enter_motion(method: Method, path: Path) -> None:
    if path.stem in method.motions:
        raise InputError(f"{path}: {method.motions[path.stem][0]} is of the same recording; keep one of them")
    method.motions[path.stem] = [path]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
