"""Pairs of performances -> numbers: how test.py judges what its generator makes.

Both sides of a pair are in one layout and filled up with one pose, so that a joint or a root movement that the generator
does not make cannot tell them apart.

Shapes: T frames, S samples.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emage.audio import frame_to_sample
from emage.errors import InputError
from emage.evaluation.fgd_network import FGDNetwork
from emage.evaluation.gaps import gaps
from emage.evaluation.scoring import Evaluation, Options, Systems, UnscorableRecording, score_store
from emage.evaluation.store import REFERENCE, Recording, Sound, Store
from emage.evaluation.systems import BEAT_VARIANTS, Plan
from emage.evaluation.take import Take, TakeMaker, scored_parents
from emage.export import performance_to_bvh
from emage.motion.contact import CONTACT_JOINTS
from emage.motion.joint_aliases import beat_names
from emage.motion.layout import get_layout
from emage.motion.skeleton import BEAT_JOINTS
from emage.performance import Performance
from emage.text import Word

SYSTEM = "generated"


@dataclass(frozen=True)
class Pair:
    """One recording to be scored: both motions have the same frames, skeleton and frame rate.

    Attributes:
        id: of the recording.
        generated: what is judged; its face too, unless it was given.
        reference: what the person did, in the layout of `generated`.
        waveform: (S,) the speech of the same frames.
        semantic: (T,) what the gestures mean, or None.
        phones: when which phone sounds.
    """

    id: str
    generated: Performance
    reference: Performance
    waveform: np.ndarray
    semantic: np.ndarray | None = None
    phones: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if self.generated.num_frames != self.reference.num_frames:
            raise InputError(
                f"{self.id}: {self.generated.num_frames} generated frames beside {self.reference.num_frames} real ones;"
                " bring both to one frame rate and length"
            )

    def after(self, num_frames: int, sample_rate: int) -> "Pair":
        """The pair without its first frames, e.g. those that were given to the model."""
        if not num_frames:
            return self
        first_sample = frame_to_sample(num_frames, self.generated.fps, sample_rate)
        generated, reference = (
            dataclasses.replace(
                side, motion=side.motion[num_frames:], face=None if side.face is None else side.face[num_frames:]
            )
            for side in (self.generated, self.reference)
        )
        start_s = num_frames / self.generated.fps
        phones = [Word(p.text, p.start_s - start_s, p.end_s - start_s) for p in self.phones if p.start_s >= start_s]
        semantic = None if self.semantic is None else self.semantic[num_frames:]
        return Pair(self.id, generated, reference, self.waveform[first_sample:], semantic, tuple(phones))


def evaluate(
    pairs: Iterable[Pair], fgd_network: FGDNetwork, *, sample_rate: int, beat_align: str = "corrected", seed: int = 0
) -> dict[str, Any]:
    """Scores generated motion against the real one, without intervals and controls; see `evaluate_pairs`."""
    options = Options(sample_rate=sample_rate, seed=seed, intervals=False, controls=False, progress=False)
    return evaluate_pairs(pairs, fgd_network, options=options, beat_align=beat_align).results


def evaluate_pairs(
    pairs: Iterable[Pair],
    fgd_network: FGDNetwork,
    *,
    options: Options,
    beat_align: str = "corrected",
    facts: dict[str, Any] | None = None,
) -> Evaluation:
    """Scores generated motion against the real one.

    Args:
        pairs: one for each recording, all at the network's frame rate; taken one after the other and not kept.
        fgd_network: what FGD measures with.
        options: seed, sample rate of the waveforms, intervals and controls.
        beat_align: variant that stands as `beat_align` beside the measures, `corrected` or `beat2022`.
        facts: further entries of the results.

    Returns:
        Its results hold `measures` and, as short cuts, `fgd` with its network, `split_half_floor`, `beat_align`,
        `beat_align_reference` (of the real motion: a score above that is not a better one), `counts`, and `not_scored`
        (which recording, in which metric, why).

    Raises:
        InputError: no pairs, motion at another frame rate than the network's, or without joints that it needs.
    """
    variants = {variant: name for name, variant in BEAT_VARIANTS.items()}
    with Store() as store:
        reader = _PairReader(fgd_network, options)
        for recording in reader.recordings(pairs):
            store.add(recording)
        if reader.plan is None:
            raise InputError("evaluation: there is no recording to score")
        known = {"counts": reader.counts, "not_scored": reader.not_scored, "shifted_sound": reader.shifted}
        systems = Systems([SYSTEM])
        try:
            evaluation = score_store(store, reader.plan, systems, options, facts={**(facts or {}), **known})
        except UnscorableRecording as found:
            raise found.error from None
        results, beats = evaluation.results, variants[beat_align]
        results |= {
            "fgd": results["details"].get("fgd_network"),
            "split_half_floor": results["split_half"].get("fgd_network"),
            "beat_align": results["details"].get(beats),
            "beat_align_reference": results["ground_truth"].get(beats),
        }
        return evaluation


class _PairReader:
    """Pairs -> recordings; the first pair says what all are measured with."""

    def __init__(self, network: FGDNetwork, options: Options) -> None:
        self._network, self._options = network, options
        self._maker: TakeMaker | None = None
        self.plan: Plan | None = None
        self.not_scored: list[dict[str, str]] = []
        self.counts: dict[str, Any] = {"recordings": 0, "frames": 0}
        self.shifted: dict[str, Sound] = {}

    def recordings(self, pairs: Iterable[Pair]) -> Iterator[Recording]:
        for pair in pairs:
            _check_fps(pair, self._network)
            takes = {SYSTEM: self._take(pair.generated), REFERENCE: self._take(pair.reference)}
            if takes[SYSTEM].has_face:  # what a file of it would hold
                takes[SYSTEM] = dataclasses.replace(takes[SYSTEM], face=takes[SYSTEM].face.clip(0, 1))
            beats = self.plan.beat_metrics()
            sound = Sound(np.asarray(pair.waveform), {}, pair.phones, pair.semantic)
            heard = sound.heard_by(beats)
            # With one recording its own sound, moved, is the mismatched one.
            first = self.counts["recordings"] == 0
            self.shifted = {pair.id: sound.shifted(self._options.sample_rate).heard_by(beats)} if first else {}
            self.counts["recordings"] += 1
            self.counts["frames"] += pair.generated.num_frames
            self.counts["motion_s"] = self.counts["frames"] / self.plan.fps
            recording = Recording(pair.id, takes, heard)
            self.not_scored += gaps(recording, self.plan)
            yield recording

    def _take(self, performance: Performance) -> Take:
        bvh = performance_to_bvh(performance)
        names = {name: place for place, name in beat_names(bvh.names, bvh.parents).items()}
        if self.plan is None:
            joints = tuple(joint for joint in BEAT_JOINTS if joint in names)
            parents = scored_parents(joints, names, bvh.skeleton)
            self._maker = TakeMaker(joints, parents, performance.fps)
            options = self._options
            self.plan = Plan(performance.fps, options.sample_rate, options.seed, joints, parents, network=self._network)
            if not set(CONTACT_JOINTS) & set(get_layout(performance.layout).joints):
                self.plan.reasons["feet"] = f"layout {performance.layout} holds no legs"
        take = self._maker.body(bvh, names, performance.duration_s, self._network.features_of(performance))
        if performance.face is None or performance.face_given:
            return take
        return dataclasses.replace(take, face=performance.face.detach().cpu().float().numpy())


def _check_fps(pair: Pair, network: FGDNetwork) -> None:
    for performance in (pair.generated, pair.reference):
        if performance.fps != network.fps:
            raise InputError(
                f"{pair.id}: motion at {performance.fps:g} fps, but the FGD network {network.folder} was trained at"
                f" {network.fps:g} fps; train one at the frame rate of the motion"
            )
