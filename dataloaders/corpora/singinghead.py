"""SingingHead: FLAME codes of singing faces, 240 frames at 30 fps a segment, read straight from the zips.

`<root>/{train,val,test}.txt` list the ids; `flame_seqs.zip` (<id>.pkl), `audio_seqs.zip` (<id>.wav, the voice) and
`bgm_seqs.zip` (<id>_bgm.wav, the accompaniment) hold them in whatever folder. A frame is 59 values: expression 50,
global 3, neck 3, jaw 3. `data.audio_track` chooses the sound: vocals, accompaniment or mix.

Source: the data set card of SingingHead, and the key names of public training code on it.
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from dataloaders.clip import FaceCodes, Sources
from dataloaders.corpora.archive import open_archive
from dataloaders.corpora.beat import existing_folder
from dataloaders.corpora.subsets import shared_speakers
from dataloaders.recordings import Recording, select_speakers
from dataloaders.splits import SPLITS
from emage.audio import read_audio_noted
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.flame_file import parse_flame_pickle

ARCHIVES = {"flame": "flame_seqs.zip", "vocals": "audio_seqs.zip", "accompaniment": "bgm_seqs.zip"}
MEMBERS = {"flame": "{}.pkl", "vocals": "{}.wav", "accompaniment": "{}_bgm.wav"}
TRACKS = {"vocals": ("vocals",), "accompaniment": ("accompaniment",), "mix": ("vocals", "accompaniment")}
CODE_FPS, NUM_FRAMES = 30.0, 240
LAYOUT = "flame_59"
MAX_CODE_BYTES = 4 * 2**20  # a segment has 57 kB; real files may hold more keys
MAX_SOUND_BYTES = 64 * 2**20  # 8 s at 48 kHz in stereo floats have 3 MB
_ID = re.compile(r"(?P<speaker>id\d+)_(?P<song>\d+)_(?P<take>\d+)_(?P<segment>\d+)")
_SAFE_ID = re.compile(r"[\w.@+-]+")
_SHOWN = 5


def find_recordings(data_config: DataConfig) -> list[Recording]:
    """The segments that the lists name, sorted by id; an id without members is found too, and rejected when it is read.

    Raises:
        InputError: `data.root` is missing, or without an archive that is needed, or without ids; an unknown speaker in
            `data.speakers`.
    """
    root = existing_folder("data.root", data_config.root)
    wanted = ("flame", *TRACKS[data_config.audio_track])
    paths = {kind: root / ARCHIVES[kind] for kind in wanted}
    for path in paths.values():
        open_archive(path)
    found: dict[str, Recording] = {}
    for subset in SPLITS:
        for name in _listed(root / f"{subset}.txt"):
            found[name] = _recording(name, dict(paths), subset)  # of two lists the later counts: no test in training
    if not found:
        raise InputError(f"data.root: {root}: no ids; expected train.txt, val.txt, test.txt with an id a line")
    return select_speakers([found[name] for name in sorted(found)], data_config.speakers)


def corpus_notices(recordings: list[Recording], data_config: DataConfig) -> list[str]:
    """What is odd about the corpus as a whole: subjects in two lists, segments in none, members that are refused."""
    archive = open_archive(Path(data_config.root) / ARCHIVES["flame"])
    listed = {MEMBERS["flame"].format(recording.id) for recording in recordings}
    notices = shared_speakers(recordings)
    seen = Counter(name for subset in SPLITS for name in _listed(Path(data_config.root) / f"{subset}.txt"))
    twice = sorted(name for name, count in seen.items() if count > 1)
    if twice:
        notices.append(f"{len(twice)} segments are in two lists, the later counts: {_some(twice)}")
    others = sorted(name for name in archive.members if name.endswith(".pkl") and name not in listed)
    if others and not data_config.speakers:
        notices.append(f"{len(others)} segments of {archive.path.name} are in no list and not used: {_some(others)}")
    refused = [f"{name}: {why}" for name, why in sorted(archive.refused.items()) if name not in listed]
    if refused:
        notices.append(f"{archive.path.name}: refused members that no list names: {_some(refused)}")
    return notices


def read_sources(recording: Recording, data_config: DataConfig) -> Sources:
    """Reads the members of one segment.

    Raises:
        InputError: a member is missing, refused or broken, or they differ in length by more than a quarter.
    """
    name = MEMBERS["flame"].format(recording.id)
    flame_path = recording.paths["flame"]
    content = open_archive(flame_path).read(name, max_bytes=MAX_CODE_BYTES)
    motion = parse_flame_pickle(content, f"{flame_path}: {name}")
    if motion.values.ndim != 2:
        raise InputError(f"{flame_path}: {name}: shape {motion.values.shape}; expected (frames, 59)")
    notices = list(motion.notices)
    if motion.num_frames != NUM_FRAMES:
        notices.append(f"{motion.num_frames} frames; segments of the release have {NUM_FRAMES}")
    waveform, sound_notices = _read_track(recording, data_config)
    audio_s, frames_s = len(waveform) / data_config.sample_rate, motion.num_frames / CODE_FPS
    if abs(audio_s - frames_s) > 0.25 * max(audio_s, frames_s):
        raise InputError(f"{recording.id}: {audio_s:.2f} s of sound to {frames_s:.2f} s of frames: not of one segment")
    return Sources(
        recording_id=recording.id,
        speaker=recording.speaker,
        bvh=None,
        motion_fps=CODE_FPS,
        face=FaceCodes(torch.from_numpy(motion.values), LAYOUT, CODE_FPS),
        waveform=waveform,
        sample_rate=data_config.sample_rate,
        notices=notices + sound_notices,
        shape_code=motion.shape_code,
    )


def _read_track(recording: Recording, data_config: DataConfig) -> tuple[np.ndarray, list[str]]:
    """The chosen sound; a mix is the sum of both, as long as the shorter, made quieter where it would clip."""
    tracks, notices = [], []
    for kind in TRACKS[data_config.audio_track]:
        path, name = recording.paths[kind], MEMBERS[kind].format(recording.id)
        content = open_archive(path).read(name, max_bytes=MAX_SOUND_BYTES)
        waveform, found = read_audio_noted(f"{path}: {name}", data_config.sample_rate, content=content)
        tracks.append(waveform)
        notices += found
    num_samples = min(map(len, tracks))
    if max(map(len, tracks)) - num_samples > 0.1 * data_config.sample_rate:
        notices.append("voice and accompaniment differ in length: the shorter counts")
    mixed = np.sum([track[:num_samples] for track in tracks], axis=0, dtype=np.float32)
    peak = float(np.abs(mixed).max(initial=0))
    if len(tracks) > 1 and peak > 1:
        mixed, notices = mixed / np.float32(peak), [*notices, f"the mix peaks at {peak:.2f}: made quieter"]
    return mixed, notices


def _listed(path: Path) -> list[str]:
    """Ids of a list, one a line, a suffix dropped; a list that is not there is empty."""
    if not path.is_file():
        return []
    names = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        name = line.strip().removesuffix(".pkl").removesuffix(".mp4").removesuffix(".wav")
        if not name:
            continue
        if not _SAFE_ID.fullmatch(name):
            raise InputError(f"{path}, line {number}: {name!r} is no id of a segment, e.g. id0_10_0_0")
        names.append(name)
    return list(dict.fromkeys(names))


def _recording(name: str, paths: dict[str, Path], subset: str) -> Recording:
    match = _ID.fullmatch(name)
    speaker = match["speaker"] if match else name.split("_")[0]
    members = {kind: MEMBERS[kind].format(name) for kind in paths}
    return Recording(name, speaker, speaker, "singing", int(match["segment"]) if match else 0, paths, subset, members)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
