"""Makes tiny recordings in the raw BEAT layout, written without any code of the project, so that they test its readers.

The values are smooth sines of the time and the seed: what a reader returns can be compared with `euler_deg_at` and
`root_cm_at`, `face_at`, `audio_at`.
"""

import json
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FINGERS = ("Middle", "Ring", "Pinky", "Index", "Thumb")
ARKIT_51 = (
    "browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft "
    "cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight "
    "eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft "
    "eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight "
    "mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight "
    "mouthPressLeft mouthPressRight mouthPucker mouthRight mouthRollLower mouthRollUpper mouthShrugLower "
    "mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft mouthStretchRight mouthUpperUpLeft "
    "mouthUpperUpRight noseSneerLeft noseSneerRight "
).split()
WORDS = ("the", "first", "thing", "is", "Monday", "morning", "friends", "relaxing")


def _arm(side: str) -> list[tuple[str, str]]:
    joints = [(f"{side}Shoulder", "Spine3"), (f"{side}Arm", f"{side}Shoulder"), (f"{side}ForeArm", f"{side}Arm")]
    joints.append((f"{side}Hand", f"{side}ForeArm"))
    for finger in FINGERS:
        parent = f"{side}Hand"
        if finger in ("Ring", "Pinky", "Index"):
            joints.append((f"{side}Hand{finger}", parent))
            parent = f"{side}Hand{finger}"
        for k in range(1, 5):
            joints.append((f"{side}Hand{finger}{k}", parent))
            parent = f"{side}Hand{finger}{k}"
    return joints


def _leg(side: str) -> list[tuple[str, str]]:
    chain = ["Hips", *(side + part for part in ("UpLeg", "Leg", "Foot", "ForeFoot", "ToeBase", "ToeBaseEnd"))]
    return list(zip(chain[1:], chain[:-1], strict=True))


_SPINE = ["Hips", "Spine", "Spine1", "Spine2", "Spine3", "Neck", "Neck1", "Head", "HeadEnd"]
# (joint, parent) of BEAT's 75 joints in file order
JOINTS: list[tuple[str, str | None]] = [
    ("Hips", None),
    *zip(_SPINE[1:], _SPINE[:-1], strict=True),
    *_arm("Right"),
    *_arm("Left"),
    *_leg("Right"),
    *_leg("Left"),
]
NAMES = [name for name, _ in JOINTS]
assert len(JOINTS) == 75


def offsets_cm() -> np.ndarray:
    """(75, 3) made-up bone lengths; no two joints share theirs."""
    j = np.arange(75)
    return np.round(np.stack([np.where(j % 2 == 1, -3.0, 3.0) - 0.01 * j, 2.0 + 0.02 * j, 0.1 * (j % 5)], axis=1), 6)


def euler_deg_at(time_s: np.ndarray, seed: int = 0) -> np.ndarray:
    """(T, 75, 3) degrees, X Y Z: slow sines of at most 25 degrees, below 2 Hz."""
    draw = np.random.default_rng(seed)
    size, phase = draw.uniform(2, 25, (75, 3)), draw.uniform(0, 2 * np.pi, (75, 3))
    frequency_hz = draw.uniform(0.1, 1.5, (75, 3))
    return size * np.sin(2 * np.pi * frequency_hz * np.asarray(time_s)[:, None, None] + phase)


def root_cm_at(time_s: np.ndarray) -> np.ndarray:
    """(T, 3) position of the hips: a slow sway that starts at the origin."""
    t = np.asarray(time_s)
    return np.stack([5 * np.sin(0.8 * t), 2 * np.sin(1.1 * t), 3 * np.sin(0.5 * t)], axis=1)


def face_at(time_s: np.ndarray) -> np.ndarray:
    """(T, 51) weights from 0 to 1."""
    t, c = np.asarray(time_s)[:, None], np.arange(51)
    return 0.5 + 0.4 * np.sin(2 * np.pi * (0.3 + 0.02 * c) * t + c)


def audio_at(time_s: np.ndarray) -> np.ndarray:
    """(S,) a 220 Hz tone that swells twice a second."""
    return 0.4 * np.sin(2 * np.pi * 220 * time_s) * (0.6 + 0.4 * np.sin(4 * np.pi * time_s))


def words_until(seconds: float) -> list[tuple[str, float, float]]:
    """One word of 0.4 s each half second, after half a second of silence."""
    starts = np.arange(0.5, seconds - 0.5, 0.5)
    return [(WORDS[i % len(WORDS)], round(float(t), 3), round(float(t) + 0.4, 3)) for i, t in enumerate(starts)]


def write_bvh(
    path: Path, euler_deg: np.ndarray, root_cm: np.ndarray, *, frame_time: str = "0.008333", order: str = "XYZ"
) -> None:
    """Writes (T, 75, 3) degrees, columns in the order of `order`, under the 431 header lines of BEAT."""
    children: dict[str | None, list[str]] = {}
    for name, parent in JOINTS:
        children.setdefault(parent, []).append(name)
    rotations = " ".join(f"{axis}rotation" for axis in order)
    offsets = offsets_cm()
    lines = ["HIERARCHY"]

    def add(name: str, depth: int) -> None:
        tabs = "\t" * depth
        position = "6 Xposition Yposition Zposition" if depth == 0 else "3"
        lines.append(f"{tabs}{'JOINT' if depth else 'ROOT'} {name}")
        lines.append(tabs + "{")
        lines.append(tabs + "\tOFFSET " + " ".join(f"{x:.6f}" for x in offsets[NAMES.index(name)]))
        lines.append(f"{tabs}\tCHANNELS {position} {rotations}")
        for child in children.get(name, []):
            add(child, depth + 1)
        if name not in children:
            lines.extend([tabs + "\tEnd Site", tabs + "\t{", tabs + "\t\tOFFSET 0 0 0", tabs + "\t}"])
        lines.append(tabs + "}")

    add("Hips", 0)
    lines += ["MOTION", f"Frames: {len(euler_deg)}", f"Frame Time: {frame_time}"]
    rows = np.concatenate([root_cm, euler_deg.reshape(len(euler_deg), -1)], axis=1)
    lines += [" ".join(f"{x:.6f}" for x in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def write_face_json(path: Path, weights: np.ndarray, fps: float, names: Iterable[str] = ARKIT_51) -> None:
    """Writes (T, C) weights in BEAT's layout."""
    frames = [
        {"weights": [round(float(w), 4) for w in row], "time": round(k / fps, 6), "rotation": []}
        for k, row in enumerate(weights)
    ]
    path.write_text(json.dumps({"names": list(names), "frames": frames}))


def write_wav(path: Path, waveform: np.ndarray, sample_rate: int = 16000) -> None:
    """Writes (S,) as 16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(sample_rate)
        file.writeframes((np.clip(waveform, -1, 1) * 32767).round().astype("<i2").tobytes())


def write_textgrid(
    path: Path, words: list[tuple[str, float, float]], seconds: float, tiers: Iterable[str] = ("words", "phones")
) -> None:
    """Writes the words with the silences between them, and two phones for each word, as the aligner does."""
    tiers = list(tiers)
    out = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        f"xmax = {seconds} ",
        "tiers? <exists> ",
    ]
    out += [f"size = {len(tiers)} ", "item []: "]
    for number, tier in enumerate(tiers, 1):
        marks = words
        if tier == "phones":
            marks = [mark for _, a, b in words for mark in (("AH0", a, (a + b) / 2), ("T", (a + b) / 2, b))]
        rows, time_s = [], 0.0
        for text, start_s, end_s in marks:
            rows += [("", time_s, start_s)] * (start_s > time_s) + [(text, start_s, end_s)]
            time_s = end_s
        rows += [("", time_s, seconds)] * (seconds > time_s)
        out += [
            f"    item [{number}]:",
            '        class = "IntervalTier" ',
            f'        name = "{tier}" ',
            "        xmin = 0 ",
        ]
        out += [f"        xmax = {seconds} ", f"        intervals: size = {len(rows)} "]
        for i, (text, start_s, end_s) in enumerate(rows, 1):
            out += [f"        intervals [{i}]:", f"            xmin = {start_s} ", f"            xmax = {end_s} "]
            out += [f'            text = "{text}" ']
    path.write_text("\n".join(out) + "\n")


@dataclass
class RawOptions:
    """How a recording departs from the ordinary one."""

    bvh_fps: float = 120.0
    frame_time: str = "0.008333"  # as the header says it
    order: str = "XYZ"
    face_fps: float = 60.0
    sample_rate: int = 16000
    audio_s: float | None = None  # where the sound is longer or shorter than the motion
    face_s: float | None = None
    emotion: int = 0
    without: tuple[str, ...] = ()  # endings that are left out: "csv", "txt", "TextGrid", ...


def make_raw_recording(
    folder: Path, recording_id: str = "2_scott_0_1_1", seconds: float = 4.0, *, seed: int = 0, **options: object
) -> Path:
    """Writes `<folder>/<speaker>/<id>.{bvh,json,wav,TextGrid,csv,txt}` and returns the speaker's folder.

    Keyword options are the fields of RawOptions, e.g. `without=("csv",)`, `emotion=2`, `audio_s=5.0`.
    """
    chosen = RawOptions(**options)  # type: ignore[arg-type]
    home = folder / recording_id.split("_")[0]
    home.mkdir(parents=True, exist_ok=True)
    motion_times = np.arange(round(seconds * chosen.bvh_fps)) / chosen.bvh_fps
    face_times = np.arange(round((chosen.face_s or seconds) * chosen.face_fps)) / chosen.face_fps
    audio_s = chosen.audio_s or seconds
    sample_times = np.arange(round(audio_s * chosen.sample_rate)) / chosen.sample_rate
    stem = home / recording_id

    def wanted(ending: str) -> bool:
        return ending not in chosen.without

    if wanted("bvh"):
        euler_deg = euler_deg_at(motion_times, seed)
        write_bvh(
            Path(f"{stem}.bvh"), euler_deg, root_cm_at(motion_times), frame_time=chosen.frame_time, order=chosen.order
        )
    if wanted("json"):
        write_face_json(Path(f"{stem}.json"), face_at(face_times), chosen.face_fps)
    if wanted("wav"):
        write_wav(Path(f"{stem}.wav"), audio_at(sample_times), chosen.sample_rate)
    if wanted("TextGrid"):
        write_textgrid(Path(f"{stem}.TextGrid"), words_until(audio_s), audio_s)
    if wanted("csv"):
        name = "00_netural" if chosen.emotion == 0 else f"0{chosen.emotion}_felt"
        Path(f"{stem}.csv").write_text(f"{name},0,{audio_s},{audio_s},{chosen.emotion}\n")
    if wanted("txt"):
        half = round(audio_s / 2, 3)
        rows = (("01_beat_align", 0, half, 0.1, ""), ("07_iconic_h", half, audio_s, 0.7, "relaxing"))
        lines = (f"{kind}\t{a}\t{b}\t{b - a}\t{score}\t{word}\n" for kind, a, b, score, word in rows)
        Path(f"{stem}.txt").write_text("".join(lines))
    return home
