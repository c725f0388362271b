"""Makes tiny EMOCA, SingingHead and BEAT2 sets, written without any code of the project, so that they test its readers.

Values are smooth sines of the time: what a reader returns can be compared with `codes_at` and `turns_at`.
"""

import io
import pickle
import wave
import zipfile
from pathlib import Path

import numpy as np
from raw_corpus import audio_at, words_until, write_textgrid

EMOCA_FILES = (
    "audio.wav cam.npy detailcode.npy envelope.npy expcode.npy lightcode.npy metadata.pkl posecode.npy refimg.npy "
    "shapecode.npy texcode.npy"
).split()


def codes_at(times_s: np.ndarray, width: int) -> np.ndarray:
    """(T, width) coefficients, slow sines."""
    t, c = np.asarray(times_s)[:, None], np.arange(width)
    return np.sin(2 * np.pi * (0.2 + 0.01 * c) * t + c)


def turns_at(times_s: np.ndarray, size: float, phase: float = 0.0) -> np.ndarray:
    """(T, 3) axis-angle in radians, at most `size` about each axis."""
    t, axis = np.asarray(times_s)[:, None], np.arange(3)
    return size * np.sin(2 * np.pi * (0.3 + 0.1 * axis) * t + axis + phase)


def wav_bytes(waveform: np.ndarray, sample_rate: int = 16000, channels: int = 1) -> bytes:
    """(S,) as 16-bit wav, the same on each channel."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels), file.setsampwidth(2), file.setframerate(sample_rate)
        pcm = (np.clip(waveform, -1, 1) * 32767).round().astype("<i2")
        file.writeframes(np.repeat(pcm[:, None], channels, axis=1).tobytes())
    return buffer.getvalue()


def sound(seconds: float, sample_rate: int = 16000) -> np.ndarray:
    return audio_at(np.arange(round(seconds * sample_rate)) / sample_rate)


def make_emoca_sequence(
    root: Path, name: str = "V0-s1-00001", *, folder: str = "trainset", collection: str = "V0-GRID", frames: int = 100
) -> Path:
    """Writes the eleven files of one sequence and returns its folder."""
    home = root / folder / collection / name
    home.mkdir(parents=True)
    times_s = np.arange(frames) / 25
    draw = np.random.default_rng(frames)
    (home / "audio.wav").write_bytes(wav_bytes(sound(frames / 25)))
    np.save(home / "expcode.npy", codes_at(times_s, 50).astype(np.float32))
    pose = np.concatenate([turns_at(times_s, 0.3), turns_at(times_s, 0.1, 1.0)], axis=1)
    np.save(home / "posecode.npy", pose.astype(np.float32))
    for file, row in (("shapecode", (100,)), ("texcode", (50,)), ("detailcode", (128,)), ("cam", (3,))):
        np.save(home / f"{file}.npy", draw.normal(size=(frames, *row)).astype(np.float32))
    np.save(home / "lightcode.npy", draw.normal(size=(frames, 9, 3)).astype(np.float32))
    np.save(home / "envelope.npy", draw.random(frames * 640).astype(np.float32))
    np.save(home / "refimg.npy", draw.integers(0, 255, (3, 224, 224), dtype=np.uint8))
    (home / "metadata.pkl").write_bytes(pickle.dumps(frames))
    return home


def singing_codes(frames: int = 240) -> dict[str, np.ndarray]:
    """What the pkl of a segment holds."""
    times_s = np.arange(frames) / 30
    pose = [turns_at(times_s, 0.4), turns_at(times_s, 0.2, 1.0), turns_at(times_s, 0.1, 2.0)]
    return {
        "expcodes": codes_at(times_s, 50).astype(np.float32),
        "posecodes": np.concatenate(pose, axis=1).astype(np.float32),
    }


def make_singinghead(
    root: Path,
    lists: dict[str, list[str]],
    *,
    flame: dict[str, bytes] | None = None,
    seconds: float = 8.0,
    folder: str = "flame_seqs/",
) -> Path:
    """Writes lists and zips; `flame` replaces or adds members of flame_seqs.zip by their full name."""
    root.mkdir(parents=True, exist_ok=True)
    names = [name for ids in lists.values() for name in ids]
    for subset, ids in lists.items():
        (root / f"{subset}.txt").write_text("".join(f"{name}\n" for name in ids))
    members = {f"{folder}{name}.pkl": pickle.dumps(singing_codes()) for name in names} | (flame or {})
    voices = {f"audio_seqs/{name}.wav": wav_bytes(sound(seconds)) for name in names}
    music = {f"bgm_seqs/{name}_bgm.wav": wav_bytes(0.5 * sound(seconds)[::-1]) for name in names}
    for file, content in (("flame_seqs.zip", members), ("audio_seqs.zip", voices), ("bgm_seqs.zip", music)):
        with zipfile.ZipFile(root / file, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in content.items():
                if data is not None:
                    archive.writestr(member, data)
    return root


def make_beat2(root: Path, name: str = "2_scott_0_1_1", *, frames: int = 120, audio_s: float | None = None) -> Path:
    """Writes npz, wav and TextGrid of one recording at 30 fps and returns the root."""
    times_s = np.arange(frames) / 30
    poses = 0.4 * codes_at(times_s, 165)
    audio_s = frames / 30 if audio_s is None else audio_s
    for folder in ("smplxflame_30", "wave16k", "textgrid"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    np.savez(
        root / "smplxflame_30" / f"{name}.npz",
        betas=np.linspace(-1, 1, 300).astype(np.float32),
        poses=poses.astype(np.float32),
        expressions=codes_at(times_s, 100),
        trans=np.stack([0.1 * times_s, 1 + 0 * times_s, 0 * times_s], axis=1),
        model=np.array("smplx2020"),
        gender=np.array("neutral"),
        mocap_frame_rate=np.array(30),
    )
    (root / "wave16k" / f"{name}.wav").write_bytes(wav_bytes(sound(audio_s)))
    write_textgrid(root / "textgrid" / f"{name}.TextGrid", words_until(audio_s), audio_s)
    return root
