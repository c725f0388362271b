"""Speaks one text with espeak-ng and exits: run as a script in its own process, never imported.

espeak-ng keeps all its state in globals, and part of it (the phase of the pitch, the noise) outlives even espeak_Terminate, so
that the same text sounds different the second time. A fresh process with a fixed random seed gives the same bytes every time,
and two texts of the same phonemes the same sound. Only the standard library is imported: a start costs some 30 ms.

stdin: json {"library", "data", "voice", "rate", "pitch", "text"}.
stdout: one line of json {"sample_rate", "words": [[text position, sample] ...], "phones": [[text position, sample, IPA] ...],
"num_samples"}, then that many little-endian 16-bit samples. Exit code 1 and one line on stderr: it could not speak.

Source: espeak-ng, src/include/espeak-ng/speak_lib.h.
"""

import ctypes
import json
import sys

AUDIO_OUTPUT_SYNCHRONOUS = 2
PHONEME_EVENTS_IN_IPA = 1 | 2
CHARS_UTF8 = 1
RATE, PITCH = 1, 3  # espeak_PARAMETER
LIST_TERMINATED, WORD, PHONEME = 0, 1, 7  # espeak_EVENT_TYPE
MAX_IPA_BYTES = 8


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * MAX_IPA_BYTES)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # counts characters from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Recorder:
    """Collects what espeak hands to its callback."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.words: list[tuple[int, int]] = []
        self.phones: list[tuple[int, int, str]] = []
        self.callback = _Callback(self._take)  # must live as long as the library may call it

    def _take(
        self, samples: "ctypes._Pointer[ctypes.c_short]", num_samples: int, events: "ctypes._Pointer[_Event]"
    ) -> int:
        if samples and num_samples > 0:
            self.pcm += ctypes.string_at(samples, 2 * num_samples)
        i = 0
        while events[i].type != LIST_TERMINATED:
            event = events[i]
            if event.type == WORD:
                self.words.append((event.text_position - 1, event.sample))
            elif event.type == PHONEME:
                raw = ctypes.string_at(ctypes.addressof(event.id), MAX_IPA_BYTES).split(b"\0")[0]
                self.phones.append((event.text_position - 1, event.sample, raw.decode("utf-8", "ignore")))
            i += 1
        return 0


def speak(request: dict) -> tuple[dict, bytes]:
    """Speaks the request; returns the header and the samples of stdout."""
    library = ctypes.CDLL(request["library"])
    sample_rate = library.espeak_Initialize(
        AUDIO_OUTPUT_SYNCHRONOUS, 0, request["data"].encode(), PHONEME_EVENTS_IN_IPA
    )
    if sample_rate <= 0:
        raise RuntimeError(f"espeak-ng does not start with the data of {request['data']}")
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # initialising has seeded it from the clock
    recorder = _Recorder()
    library.espeak_SetSynthCallback(recorder.callback)
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {request['voice']!r}")
    library.espeak_SetParameter(RATE, request["rate"], 0)
    library.espeak_SetParameter(PITCH, request["pitch"], 0)
    text = request["text"].encode()
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    header = {"sample_rate": sample_rate, "words": recorder.words, "phones": recorder.phones}
    return header | {"num_samples": len(recorder.pcm) // 2}, bytes(recorder.pcm)


def _main() -> int:
    try:
        header, pcm = speak(json.loads(sys.stdin.buffer.read()))
    except (OSError, RuntimeError, AttributeError) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + pcm)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
