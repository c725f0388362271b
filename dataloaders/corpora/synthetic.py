"""The project's own corpus: speech, gesture and face made from rules, with a known cause for every movement.

The licensed corpora cannot ship with the code. This one is written in the raw BEAT layout and read like BEAT (`data.format: raw`).
Each cause is visible in ONE input only, so that a test can ask whether a model learned it (swap one input: does just its effect
change?):

    audio     strokes, nods and brows at loud syllables, which chance picks; the mouth by phones
    text      a gesture at a keyword, none at its homophone (same phonemes, same sound)
    speaker   handedness, pose of rest, where and how the hands move; the voice is drawn independently
    emotion   amplitude, tempo, posture; the voice does not know of it
    (chance)  blinks, glances, sway, small noise

The same arguments give the same bytes, in any number of processes. `tools/make_corpus.py` is the command.
"""

import dataclasses
import json
import logging
import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch

from dataloaders.corpora import synthetic_faces
from dataloaders.corpora.synthetic_causes import CauseEvent, write_causes
from dataloaders.corpora.synthetic_face import FACE_FPS, Face, make_face
from dataloaders.corpora.synthetic_files import write_emotion_csv, write_semantic_txt, write_textgrid, write_wav
from dataloaders.corpora.synthetic_motion import Movements, make_motion
from dataloaders.corpora.synthetic_plan import CorpusArguments, RecordingPlan, plan_recordings
from dataloaders.corpora.synthetic_speech import Speech, draw_pauses, draw_voice, find_espeak, speak_script
from dataloaders.corpora.synthetic_text import ScriptWord, write_script
from emage.errors import InputError
from emage.motion.arkit import write_arkit_json
from emage.motion.atomic import write_text_atomic
from emage.motion.bvh import write_bvh

RULES_VERSION = 2  # grows with every change of what the same arguments make
ARGUMENTS_FILE = "corpus.json"
ENDINGS = (".bvh", ".json", ".wav", ".TextGrid", ".csv", ".txt", ".causes.json")  # the last one is written last
SECONDS_PER_SENTENCE = 1.4  # less than any takes to be said
DEFAULT_PROCESSES = 2

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class MadeRecording:
    """One recording in memory."""

    speech: Speech
    movements: Movements
    face: Face

    @property
    def events(self) -> list[CauseEvent]:
        """What caused what."""
        return self.movements.events + self.face.events


@dataclasses.dataclass(frozen=True)
class CorpusReport:
    """What `make_corpus` did."""

    made: int
    found: int  # whole already
    seconds: float


def make_script(plan: RecordingPlan) -> list[ScriptWord]:
    """The words of a recording, more than fit into it."""
    return write_script(plan.random("script"), math.ceil(plan.seconds / SECONDS_PER_SENTENCE) + 1)


def make_recording(plan: RecordingPlan, script: list[ScriptWord] | None = None) -> MadeRecording:
    """Makes one recording in memory.

    Args:
        plan: `dataclasses.replace` its speaker or emotion to see what this label causes.
        script: other words than the plan's own, for the same purpose.

    Raises:
        InputError: espeak-ng is not installed.
    """
    script = make_script(plan) if script is None else script
    speech = speak_script(
        script,
        draw_voice(plan.random("voice")),
        stress_rng=plan.random("stress"),
        seconds=plan.seconds,
        pauses_s=draw_pauses(plan.random("pauses"), script, plan.pauses),
    )
    return MadeRecording(speech, make_motion(plan, speech), make_face(plan, speech))


def write_recording(folder: Path, plan: RecordingPlan, *, recording: MadeRecording) -> None:
    """Writes the seven files of a recording into `folder`; the last one says that all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for left_behind in folder.glob(f".{plan.id}.*.partial*"):  # by a run that was killed
        left_behind.unlink(missing_ok=True)
    path = {ending: folder / f"{plan.id}{ending}" for ending in ENDINGS}
    write_bvh(path[".bvh"], recording.movements.bvh)
    write_arkit_json(path[".json"], torch.from_numpy(recording.face.weights).round(decimals=4), FACE_FPS)
    write_wav(path[".wav"], recording.speech.waveform)
    write_textgrid(path[".TextGrid"], recording.speech, seconds=plan.seconds)
    write_emotion_csv(path[".csv"], plan.emotion, seconds=plan.seconds)
    write_semantic_txt(path[".txt"], recording.speech, seconds=plan.seconds)
    write_causes(path[".causes.json"], plan.id, events=recording.events)


def make_corpus(
    out: str | Path, arguments: CorpusArguments, *, layout: str = "beat", num_processes: int = DEFAULT_PROCESSES
) -> CorpusReport:
    """Makes the corpus, or what is still missing of it, and logs its progress.

    Args:
        out: its root; `<out>/<speaker>/<id>.*` (or what the layout has) and `<out>/corpus.json` are written.
        arguments: what to make.
        layout: beat, or one of `synthetic_faces.LAYOUTS`.
        num_processes: at least 1; each makes its own recordings.

    Raises:
        InputError: the folder holds a corpus of other arguments or other files; espeak-ng is not installed.
    """
    start_s = time.monotonic()
    if num_processes < 1:
        raise InputError(f"--processes: got {num_processes}; at least one is needed")
    if arguments.pauses and layout != "beat":
        raise InputError(f"--pauses: got {arguments.pauses:g}; only the beat layout has pauses, leave it out")
    out = Path(out)
    plans = plan_recordings(arguments) if layout == "beat" else synthetic_faces.face_plans(layout, arguments)
    find_espeak()
    _claim_folder(out, arguments, layout)
    missing = [plan for plan in plans if not _is_there(out, plan, layout, arguments)]
    found = len(plans) - len(missing)
    if found:
        logger.info("%s: %d of %d recordings are there", out, found, len(plans))
    report_every = max(1, len(plans) // 10)
    jobs = [(out, plan, layout, arguments) for plan in missing]
    for done, _ in enumerate(_make_all(jobs, num_processes), start=found + 1):
        if done % report_every == 0 or done == len(plans):
            logger.info("made recording %d of %d, %.0f s", done, len(plans), time.monotonic() - start_s)
    if layout != "beat":
        synthetic_faces.finish(out, layout, arguments)
    return CorpusReport(len(missing), found, time.monotonic() - start_s)


def _is_there(out: Path, plan: RecordingPlan, layout: str, arguments: CorpusArguments) -> bool:
    if layout != "beat":
        return synthetic_faces.is_there(out, layout, plan, arguments)
    return all((out / plan.speaker / f"{plan.id}{ending}").is_file() for ending in ENDINGS)


Job = tuple[Path, RecordingPlan, str, CorpusArguments]


def _make_all(jobs: list[Job], num_processes: int) -> Iterator[str]:
    """Ids of the recordings as they get ready."""
    if num_processes == 1 or len(jobs) < 2:
        yield from map(_make_one, jobs)
        return
    # spawn, not fork: the parent may have threads of torch.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(num_processes, len(jobs)), mp_context=context) as pool:
            yield from pool.map(_make_one, jobs)
    except BrokenProcessPool as error:
        raise InputError(
            f"{jobs[0][0]}: a process was killed, perhaps for want of memory; run the same command again to go on"
        ) from error


def _make_one(job: Job) -> str:
    out, plan, layout, arguments = job
    if layout == "beat":
        write_recording(out / plan.speaker, plan, recording=make_recording(plan))
    else:
        synthetic_faces.write_face(out, layout, plan, arguments)
    return plan.id


def _claim_folder(out: Path, arguments: CorpusArguments, layout: str) -> None:
    """Notes the arguments in a new folder; in an old one they must be the same."""
    wanted = {"rules_version": RULES_VERSION, **dataclasses.asdict(arguments)}
    if not arguments.pauses:
        del wanted["pauses"]  # so that corpora from before there were any still count
    if layout != "beat":
        wanted["layout"] = layout
    path = out / ARGUMENTS_FILE
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give another --out")
    if path.is_file():
        try:
            noted = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not valid json: {error}; delete {out} or give another --out") from error
        differs = [
            f"{key} {noted.get(key)!r}, now {wanted.get(key)!r}"
            for key in (*wanted, *(key for key in noted if key not in wanted))
            if noted.get(key) != wanted.get(key)
        ]
        if differs:
            raise InputError(
                f"{path}: made with other arguments ({'; '.join(differs)}); delete {out} or give another --out"
            )
        return
    if out.is_dir() and any(not entry.name.endswith(".partial") for entry in os.scandir(out)):
        raise InputError(f"{out}: holds files that are no synthetic corpus; give an empty or new folder as --out")
    write_text_atomic(path, json.dumps(wanted, indent=1) + "\n")
