"""Files of any system -> recordings at one frame rate, by BEAT's joint names; what cannot be read is left out and listed.

Shapes: T frames, N samples of a file.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emage.audio import read_audio
from emage.errors import InputError, collected_warnings
from emage.evaluation.bodies import BodyFiles
from emage.evaluation.fgd_network import FGDNetwork
from emage.evaluation.folders import ONLY_ONE, Folders, Seed
from emage.evaluation.gaps import gaps
from emage.evaluation.rejects import check_face, reason_of
from emage.evaluation.scoring import Evaluation, Options, Systems, UnscorableRecording, score_store
from emage.evaluation.store import REFERENCE, Recording, Sound, Store
from emage.evaluation.systems import Plan
from emage.evaluation.take import Take, TakeMaker
from emage.labels import labels_per_frame, read_semantic_txt
from emage.motion.arkit_file import read_arkit_file
from emage.motion.arkit_motion import ArkitMotion
from emage.motion.resample import frame_count
from emage.text import read_phones

UNEQUAL_S = 0.5  # sides that differ by more are reported as left out, by less as a notice


def evaluate_folders(
    folders: Folders,
    *,
    fgd_network: FGDNetwork | None = None,
    fps: float | None = None,
    window_frames: int | None = None,
    options: Options | None = None,
    facts: dict[str, Any] | None = None,
) -> Evaluation:
    """Scores the generated files against the real ones.

    Args:
        folders: the files.
        fgd_network: what FGD measures with besides the windows themselves; None: these alone.
        fps: frame rate of the evaluation; None: that of most generated files.
        window_frames: frames of a window of the generator, at the rate of its files; None: no seam score.
        options: seed, sample rate, intervals, controls.
        facts: further entries of the results.

    Raises:
        InputError: nothing could be scored; says why.
    """
    options = options or Options()
    with Store() as store:
        reader = _FolderReader(folders, fgd_network, fps, window_frames=window_frames, options=options)
        for recording in reader.recordings():
            store.add(recording)
        while store.ids:
            known = {
                "counts": reader.counts(store.ids),
                "notices": [*folders.notices, *reader.notices()],
                "not_scored": [*folders.left_out, *reader.not_scored],
                "shifted_sound": reader.shifted if len(store.ids) == 1 else {},
            }
            # Scoring completes the plan: another attempt begins from its own copy.
            plan = dataclasses.replace(reader.plan, spaces={}, reasons=dict(reader.plan.reasons))
            try:
                return score_store(store, plan, reader.systems(), options, facts={**(facts or {}), **known})
            except UnscorableRecording as found:
                reader.leave_out_scored(found)
                store.remove(found.recording_id)
        rows = [f"{row['id']}: {row['reason']}" for row in reader.not_scored]
        raise InputError(f"no recording could be scored; {'; '.join(rows[:3])}{' ...' if len(rows) > 3 else ''}")


class _FolderReader:
    """Reads recording after recording."""

    def __init__(
        self,
        folders: Folders,
        network: FGDNetwork | None,
        fps: float | None,
        *,
        window_frames: int | None,
        options: Options,
    ) -> None:
        self._folders, self._network, self._options = folders, network, options
        self._window_frames = window_frames
        # Name in the store -> the files: the system itself and its seeds, then the others with theirs.
        self._sides: dict[str, Seed] = {**_named("generated", folders.generated)}
        for name, seeds in folders.compare.items():
            self._sides |= _named(name, seeds)
        self._bodies = BodyFiles(
            {REFERENCE: folders.reference, **self._sides}, folders.ids, network, progress=options.progress
        )
        self.not_scored: list[dict[str, str]] = list(self._bodies.not_scored)
        self.shifted: dict[str, Sound] = {}
        self._lengths: list[str] = []
        self._face_notices: list[str] = []
        self._num_frames: dict[str, int] = {}
        self._rates: Counter = Counter()
        self.plan = self._plan(fps or self._common_fps())
        self._maker = TakeMaker(self.plan.joints, self.plan.parents, self.plan.fps)
        self._beats = self.plan.beat_metrics()

    def _plan(self, fps: float) -> Plan:
        joints, parents = self._bodies.joints, self._bodies.parents
        plan = Plan(fps, self._options.sample_rate, self._options.seed, joints, parents, up_axis=self._bodies.up_axis)
        if self._network is None:
            plan.reasons["fgd_network"] = "no --fgd-checkpoint"
        elif self._bodies.network_problem:
            plan.reasons["fgd_network"] = self._bodies.network_problem
        else:
            plan.network = self._network
        return plan

    def _common_fps(self) -> float:
        """Frame rate of most generated files; of two as frequent the higher."""
        rates = Counter(self._bodies.fps(key, name) for name in self._sides for key in self._bodies.ids(name)[:1000])
        if not rates:
            for key in self._folders.ids:
                for seed in self._folders.generated.values():
                    face = self._face(seed, key)
                    if face is not None:
                        rates[face.fps] += 1
        if not rates:
            rows = [f"{row['id']}: {row['reason']}" for row in self.not_scored]
            raise InputError(f"no generated file can be read; {'; '.join(rows[:3])}{' ...' if len(rows) > 3 else ''}")
        return max(rates, key=lambda rate: (rates[rate], rate))

    def recordings(self) -> Iterator[Recording]:
        bar = tqdm(self._folders.ids, "reading", unit="recording", disable=None if self._options.progress else True)
        for key in bar:
            try:
                recording = self._recording(key)
                rows = [] if recording is None else gaps(recording, self.plan)
            except Exception as error:  # of any kind: it concerns this recording alone
                self._leave_out(key, "all", reason_of(error, key))
                continue
            if recording is not None:
                self.not_scored += rows
                yield recording

    def _recording(self, key: str) -> Recording | None:
        sides = {REFERENCE: self._folders.reference, **self._sides}
        bodies = {name: bvh for name in sides if (bvh := self._bodies.read(key, name, self.not_scored)) is not None}
        if len(bodies) < len(sides):
            self._list_missing(key, "body", sides, bodies, {n for n, seed in sides.items() if key in seed.bodies})
            bodies = {}
        body_s = next((bvh.duration_s for bvh in bodies.values()), None)
        faces = {name: face for name, seed in sides.items() if (face := self._face(seed, key, body_s)) is not None}
        if len(faces) < len(sides):
            self._list_missing(key, "face", sides, faces, {n for n, seed in sides.items() if key in seed.faces})
            faces = {}
        if not bodies and not faces:
            self._leave_out(key, "all", "neither a body nor a face on every side")
            return None
        lengths_s = {name: bvh.duration_s for name, bvh in bodies.items()} or {
            n: f.duration_s for n, f in faces.items()
        }
        duration_s = self._shared_length(key, lengths_s)
        if frame_count(duration_s, self.plan.fps) < 1:
            self._leave_out(key, "all", f"no whole frame at {self.plan.fps:g} fps")
            return None
        takes = {}
        for name in sides:
            take = self._body(key, name, bodies[name], duration_s) if bodies else Take()
            if faces:
                take = dataclasses.replace(take, **self._maker.face(faces[name], duration_s))
            takes[name] = take
        sound = self._heard(key, self._sound(key, duration_s))
        self._num_frames[key] = frame_count(duration_s, self.plan.fps)
        return Recording(key, takes, sound, self._borders(bodies, duration_s))

    def _body(self, key: str, name: str, bvh: Any, duration_s: float) -> Take:
        places = self._bodies.places(key, name)
        network = None
        if self.plan.network is not None:
            network = self.plan.network.features_of_bvh(bvh, places, duration_s)
        return self._maker.body(bvh, places, duration_s, network)

    def _face(self, seed: Seed, key: str, duration_s: float | None = None) -> ArkitMotion | None:
        """The face of a recording; its warnings become notices of the results, which the command prints."""
        if key not in seed.faces:
            return None
        path = seed.faces[key]
        try:
            with collected_warnings() as odd:
                face = read_arkit_file(path, duration_s=duration_s)
            check_face(face, path)
        except Exception as error:  # of any kind: it concerns this file alone
            row = {"id": key, "metric": "face", "reason": reason_of(error, path)}
            if row not in self.not_scored:
                self.not_scored.append(row)
            return None
        for message in odd:
            if message not in self._face_notices:
                self._face_notices.append(message)
        return face

    def _list_missing(self, key: str, what: str, sides: Any, found: Any, files: set[str]) -> None:
        """Says whose file is not there, if another side has one; what cannot be read is listed already."""
        lacking = [_whose(name) for name in sides if name not in found and name not in files]
        if files and lacking:
            self._leave_out(
                key, what, f"no {'BVH' if what == 'body' else 'face (json or csv)'} of {', '.join(lacking)}"
            )

    def _shared_length(self, key: str, lengths_s: dict[str, float]) -> float:
        shortest, longest = min(lengths_s.values()), max(lengths_s.values())
        told = ", ".join(f"{_whose(name)} {seconds:.2f} s" for name, seconds in lengths_s.items())
        if longest - shortest > UNEQUAL_S:
            self._leave_out(key, "tail", f"unequal lengths, the first {shortest:.2f} s are compared: {told}")
        elif longest - shortest > 1.5 / self.plan.fps:
            self._lengths.append(f"{key}: the first {shortest:.2f} s are compared: {told}")
        return shortest

    def _sound(self, key: str, duration_s: float) -> Sound:
        waveform, phones, semantic = None, (), None
        folders, rate = self._folders, self.plan.sample_rate
        try:
            if key in folders.audio:
                waveform = read_audio(folders.audio[key], rate)
                if len(waveform) < (duration_s - UNEQUAL_S) * rate:
                    self._leave_out(
                        key, "beat_align", f"the audio ends at {len(waveform) / rate:.2f} s, before the motion"
                    )
                if not np.isfinite(waveform).all():
                    raise InputError(f"{folders.audio[key]}: it holds samples that are not finite")
                waveform = waveform[: round(duration_s * rate)]
        except Exception as error:  # of any kind: it concerns this file alone
            waveform = None
            self._leave_out(key, "beat_align", reason_of(error, folders.audio[key]))
        try:
            if key in folders.textgrids:
                phones = tuple(phone for phone in read_phones(folders.textgrids[key]) if phone.end_s <= duration_s)
        except Exception as error:  # of any kind: it concerns this file alone
            self._leave_out(key, "lip_closure", reason_of(error, folders.textgrids[key]))
        try:
            if key in folders.semantic:
                intervals, fps = read_semantic_txt(folders.semantic[key]), self.plan.fps
                semantic = labels_per_frame(intervals, frame_count(duration_s, fps), fps, default=0)
                if not np.isfinite(semantic).all():
                    raise InputError(f"{folders.semantic[key]}: it holds a label that is not finite")
        except Exception as error:  # of any kind: it concerns this file alone
            semantic = None
            self._leave_out(key, "srgr", reason_of(error, folders.semantic[key]))
        return Sound(waveform, {}, phones, semantic)

    def _heard(self, key: str, sound: Sound) -> Sound:
        """With the onsets of its waveform, and without the waveform; the first one's, moved, are kept too."""
        try:
            if not self.shifted:
                self.shifted = {key: sound.shifted(self.plan.sample_rate).heard_by(self._beats)}
            return sound.heard_by(self._beats)
        except Exception as error:  # of any kind: it concerns this file alone
            self._leave_out(key, "beat_align", reason_of(error, self._folders.audio.get(key, key)))
            return dataclasses.replace(sound, waveform=None)

    def _borders(self, bodies: dict[str, Any], duration_s: float) -> tuple[int, ...] | None:
        if self._window_frames is None or not bodies:
            return None
        window_s = self._window_frames / next(bvh.fps for name, bvh in bodies.items() if name != REFERENCE)
        count = int(duration_s / window_s)
        return tuple(sorted({round(k * window_s * self.plan.fps) for k in range(1, count + 1)}))

    def _leave_out(self, key: str, metric: str, reason: str) -> None:
        self.not_scored.append({"id": key, "metric": metric, "reason": reason})

    def leave_out_scored(self, found: UnscorableRecording) -> None:
        """Lists a recording that could be read, but not scored."""
        self._leave_out(found.recording_id, "all", reason_of(found.error, found.recording_id))

    def systems(self) -> Systems:
        """Names in the store."""
        folders = self._folders
        compare = {name: list(_named(name, seeds)) for name, seeds in folders.compare.items()}
        return Systems(list(_named("generated", folders.generated)), compare)

    def counts(self, ids: list[str]) -> dict[str, Any]:
        """Recordings, frames and seconds that were scored."""
        num_frames = sum(self._num_frames[key] for key in ids)
        return {"recordings": len(ids), "frames": num_frames, "motion_s": num_frames / self.plan.fps}

    def notices(self) -> list[str]:
        """What was odd about the files."""
        return [*self._bodies.notices(self.plan.fps), *self._lengths, *self._face_notices]


def _named(name: str, seeds: dict[str, Seed]) -> dict[str, Seed]:
    """Seeds by their names in the store."""
    return {name if seed == ONLY_ONE else f"{name}/{seed}": files for seed, files in seeds.items()}


def _whose(name: str) -> str:
    return {REFERENCE: "the reference", "generated": "the generated side"}.get(name, str(Path(name)))
