"""How one clip lies in a cache: a raw contiguous value for each stream, and one JSON text with all that describes them.

Beside them lie what statistics need of the recording (`recording_sums.py`) and what its files were (ORIGIN).
Streams: motion (T, D), face (T, C), waveform (S,), word_index (T,), emotion (T,), semantic (T,); a recording of a face
alone has no motion. `layouts` names the columns of motion and face.
Shapes: T frames, S samples, D columns of the body, C of the face.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dataloaders.clip import ARKIT_LAYOUT, BEAT_LAYOUT, Clip
from dataloaders.recording_sums import RecordingSums, count_raw_words
from dataloaders.recordings import Recording

MOTION_LAYOUT, FACE_LAYOUT = BEAT_LAYOUT, ARKIT_LAYOUT  # of a BEAT corpus
STREAMS = {  # name -> what is stored; little-endian on every machine
    "motion": "<f4",
    "face": "<f4",
    "waveform": "<f4",
    "word_index": "<i4",
    "emotion": "|i1",
    "semantic": "<f4",
}
_PCM16_SCALE = 1 / 32768
_PLACES = ("paths", "members")  # of a recording
META, SUMS, WORDS, ORIGIN = "meta", "sums", "words", "origin"  # values beside the streams


@dataclass(frozen=True)
class StreamSlot:
    """Where a stream lies and how its bytes are read.

    Attributes:
        key: of the value in the LMDB.
        dtype: of the stored numbers.
        length: rows: frames, or samples of the waveform.
        row_shape: shape of one row, () for a stream of single numbers.
        scale: stored whole numbers times this are the values; None: they are the values.
    """

    key: bytes
    dtype: np.dtype
    length: int
    row_shape: tuple[int, ...]
    scale: np.float32 | None

    @property
    def row_items(self) -> int:
        """Numbers in one row."""
        return math.prod(self.row_shape)


def value_key(recording_id: str, name: str) -> bytes:
    """Key of a value of a recording: a stream, or one of META, SUMS, WORDS and ORIGIN."""
    return f"{recording_id}/{name}".encode()


def recording_of_origin_key(key: bytes) -> str | None:
    """The recording that an ORIGIN value's key belongs to, None for another key; a recording is whole if it has one."""
    recording_id, _, name = key.decode().rpartition("/")
    return recording_id if name == ORIGIN else None


def encode_clip(clip: Clip, recording: Recording) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Turns a clip into its description and the bytes of its values.

    Returns:
        (meta, values): meta is ready for JSON; values holds one entry a stream, META (`meta` as JSON text), SUMS
        (RecordingSums) and WORDS (how often each word is spoken, as JSON text).
    """
    streams, values = {}, {}
    for name, dtype in STREAMS.items():
        if getattr(clip, name) is None:
            continue
        array = np.asarray(getattr(clip, name))
        streams[name] = {"dtype": dtype, "shape": list(array.shape)}
        if name == "waveform":
            whole = _as_pcm16(array)
            if whole is not None:
                array, dtype = whole, "<i2"
                streams[name] |= {"dtype": dtype, "scale": _PCM16_SCALE}
        values[name] = np.ascontiguousarray(array, dtype=dtype).tobytes()
    meta = {
        "recording": recording_facts(recording),
        "speaker": recording.speaker,
        "fps": clip.fps,
        "num_frames": int(clip.num_frames),
        "layouts": {"motion": clip.motion_layout, "face": clip.face_layout},
        "streams": streams,
        "skeleton": clip.skeleton and clip.skeleton.to_dict(),
        "words": _plain_words(clip.words),
        "phones": _plain_words(clip.phones),
        "notices": list(clip.notices),
    }
    if clip.shape_code is not None:
        meta["shape_code"] = [float(value) for value in clip.shape_code]
    values[META] = dump_json(meta)
    sums = RecordingSums.of(clip.motion, clip.motion_layout, clip.face, clip.face_layout)
    values[SUMS] = sums.encode()
    values[WORDS] = dump_json(count_raw_words(clip.words, clip.fps, 0, clip.num_frames))
    return meta, values


def recording_facts(recording: Recording) -> dict[str, Any]:
    """What a recording is, without where its files lie; `Recording(**facts)` gives it back."""
    return {field.name: getattr(recording, field.name) for field in fields(recording) if field.name not in _PLACES}


def dump_json(content: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def stream_slots(recording_id: str, streams: dict[str, dict[str, Any]]) -> dict[str, StreamSlot]:
    """The slots of a recording's streams, from the `streams` of its description."""
    slots = {}
    for name, facts in streams.items():
        length, *row_shape = facts["shape"]
        scale = np.float32(facts["scale"]) if "scale" in facts else None
        slots[name] = StreamSlot(
            value_key(recording_id, name), np.dtype(facts["dtype"]), length, tuple(row_shape), scale
        )
    return slots


def decode_rows(buffer: memoryview, slot: StreamSlot, *, start: int, stop: int) -> np.ndarray:
    """Copies rows start..stop out of a stored value; float32 for a scaled stream."""
    items = slot.row_items
    view = np.frombuffer(buffer, slot.dtype, (stop - start) * items, start * items * slot.dtype.itemsize)
    if slot.row_shape:
        view = view.reshape(stop - start, *slot.row_shape)
    # A view must not leave: the memory behind it belongs to the read transaction.
    return view.copy() if slot.scale is None else np.multiply(view, slot.scale, dtype=np.float32)


def _as_pcm16(waveform: np.ndarray) -> np.ndarray | None:
    """The waveform as 16-bit whole numbers if that loses nothing (a 16-bit wav that was not resampled), else None."""
    if waveform.size and (waveform.min() < -1 or waveform.max() > 32767 * _PCM16_SCALE):
        return None
    whole = np.rint(waveform / _PCM16_SCALE).astype("<i2")
    return whole if np.array_equal(np.multiply(whole, np.float32(_PCM16_SCALE), dtype=np.float32), waveform) else None


def _plain_words(words: Iterable[tuple[str, float, float]]) -> list[list[Any]]:
    return [[text, float(start_s), float(end_s)] for text, start_s, end_s in words]
