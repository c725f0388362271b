"""The 2D benchmark: videos and 2D landmarks of one method, recording by recording.

Shapes: T frames, P = 68 landmarks.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from emage.errors import InputError
from emage.ffmpeg import ffmpeg_command
from emage.metrics.singinghead_beats import SingingBeatAlignment, audio_beat_frames
from emage.metrics.singinghead_video import SingingFrameScores, SingingLandmarks, SingingVideoFrames
from emage.singinghead_suite import networks
from emage.singinghead_suite.frames import (
    VIDEO_FPS,
    VideoInfo,
    audio_track,
    corrected_frames,
    native_frames,
    probe,
    published_frames,
)
from emage.singinghead_suite.landmarks import at_video_rate, filled_as_published, filled_in_time, read_landmarks
from emage.singinghead_suite.scores import MethodScores, Sound

FRAME_METRICS = ("PSNR", "SSIM", "psnr_db", "ssim")
FID_METRICS, LPIPS_METRICS, CPBD_METRICS = ("FID", "fid"), ("LPIPS", "lpips"), ("CPBD", "cpbd")
NETWORK_METRICS = (*FID_METRICS, *LPIPS_METRICS, *CPBD_METRICS)
LANDMARK_METRICS = ("F-LMD", "M-LMD", "f_lmd_px", "m_lmd_px")
BEAT_METRICS = ("BA", "beat_alignment_video")


class VideoTools:
    """What this machine can do with videos, found out once.

    Args:
        size: of the frames, pixels.
        interval: every n-th frame at 30 fps is looked at.
        wanted: False if there are no videos: nothing is loaded.

    Attributes:
        reasons: metric -> why it cannot be had.
        lpips, sharpness, detector: the networks, or None.
        images: folder for the images that FID reads, or None.
    """

    def __init__(self, size: int, interval: int, *, wanted: bool) -> None:
        self.size, self.interval = size, interval
        self.reasons: dict[str, str] = {}
        self.lpips = self.sharpness = self.detector = self._folder = None
        if not wanted:
            return
        try:
            ffmpeg_command()
        except InputError as error:
            self._without((*FRAME_METRICS, *NETWORK_METRICS, *LANDMARK_METRICS, *BEAT_METRICS), error)
            return
        self.lpips = self._load(networks.lpips_distance, LPIPS_METRICS)
        self.sharpness = self._load(networks.sharpness, CPBD_METRICS)
        self.detector = self._load(networks.landmark_detector, (*LANDMARK_METRICS, *BEAT_METRICS))
        if importlib.util.find_spec("cleanfid"):
            self._folder = tempfile.TemporaryDirectory(prefix="singinghead_")
        else:
            self._without(FID_METRICS, f"clean-fid is not installed: {networks.EXTRA}")

    @property
    def can_decode(self) -> bool:
        """Whether there is an ffmpeg."""
        return FRAME_METRICS[0] not in self.reasons

    @property
    def images(self) -> Path | None:
        """Folder for the images that FID reads; it is gone with this object."""
        return None if self._folder is None else Path(self._folder.name)

    def _load(self, load: Callable, metrics: tuple[str, ...]) -> Callable | None:
        try:
            return load()
        except networks.Unavailable as error:
            self._without(metrics, error)
            return None

    def _without(self, metrics: tuple[str, ...], error: Exception | str) -> None:
        self.reasons |= dict.fromkeys(metrics, str(error))


@dataclass(eq=False)
class Clip2D:
    """One video with its landmarks, read when they are asked for and kept for the methods to come.

    Attributes:
        video: the file, or None.
        landmark_file: given landmarks, or None.
        tools: how they are read.
    """

    video: Path | None
    landmark_file: Path | None
    tools: VideoTools

    @cached_property
    def info(self) -> VideoInfo | None:
        """Size and rate of the video; None without one."""
        return probe(self.video) if self.has_frames else None

    @property
    def has_frames(self) -> bool:
        """Whether there is a video that can be decoded here."""
        return self.video is not None and self.tools.can_decode

    @property
    def fps(self) -> float:
        """Frames per second; the corpus's without a video."""
        return VIDEO_FPS if self.info is None else self.info.fps

    @cached_property
    def published(self) -> np.ndarray:
        """Frames as the released code makes them."""
        return published_frames(self.video, self.tools.size, self.tools.interval)

    @cached_property
    def corrected(self) -> np.ndarray:
        """Frames made well."""
        return corrected_frames(self.video, self.tools.size, self.tools.interval)

    @cached_property
    def landmarks(self) -> np.ndarray | None:
        """(T, 68, 2) in pixels of `tools.size`, of every frame: given, else found, else None."""
        if self.landmark_file is not None:
            return read_landmarks(self.landmark_file, self.info, self.tools.size)
        if self.has_frames and self.tools.detector is not None:
            return np.stack([self.tools.detector(frame) for frame in native_frames(self.video, self.tools.size)])
        return None


@dataclass(eq=False)
class Video2D:
    """2D scores of one method.

    Args:
        scores: where the numbers go.
        tools: what can be computed.
        sample_rate: of the sound.
        seed: of the chance levels.
    """

    scores: MethodScores
    tools: VideoTools
    sample_rate: int
    seed: int
    _frames: SingingVideoFrames = field(default_factory=SingingVideoFrames)
    _landmarks: SingingLandmarks = field(default_factory=SingingLandmarks)
    _frame_scores: SingingFrameScores = field(default_factory=SingingFrameScores)
    _num_without_sound: int = 0

    def __post_init__(self) -> None:
        self._beats = {
            name: SingingBeatAlignment(variant, sample_rate=self.sample_rate, fps=VIDEO_FPS, seed=self.seed)
            for name, variant in zip(BEAT_METRICS, ("published", "corrected"), strict=True)
        }

    def update_landmarks(self, recording: str, clip: Clip2D, real: Clip2D, sound: Sound) -> None:
        """Adds the landmarks of a recording, where there are any.

        Args:
            recording: its id.
            clip: generated; the real one itself where the ground truth is scored.
            real: the real one.
            sound: that of input_audio/.

        Raises:
            InputError: a file cannot be used.
        """
        if clip.landmarks is None:
            return
        if real.landmarks is not None:
            pair = [at_video_rate(side.landmarks, side.fps, self.tools.interval) for side in (clip, real)]
            self._landmarks.update(*self._cut(recording, "landmarks", *pair), recording_id=recording)
        self._add_beats(recording, clip, is_real=clip is real, sound=sound)

    def update_frames(self, recording: str, clip: Clip2D, real: Clip2D) -> None:
        """Adds the pictures of a recording, where both videos can be had.

        Args:
            recording: its id.
            clip: generated.
            real: the real one.

        Raises:
            InputError: a video cannot be used.
        """
        if not (clip.has_frames and real.has_frames):
            return
        published = self._cut(recording, "frames", clip.published, real.published)
        corrected = self._cut(recording, "frames", clip.corrected, real.corrected)
        self._frames.update(published, corrected, recording_id=recording)
        per_frame = {}
        if self.tools.sharpness is not None:
            per_frame |= {"CPBD": self.tools.sharpness(published[0]), "cpbd": self.tools.sharpness(corrected[0])}
        if self.tools.lpips is not None:
            per_frame |= {"LPIPS": self.tools.lpips(*published, True), "lpips": self.tools.lpips(*corrected, False)}
        self._frame_scores.update(per_frame, recording_id=recording)
        if self.tools.images is not None:
            for kind, frames in (("published", published), ("corrected", corrected)):
                for side, images in zip(("generated", "real"), frames, strict=True):
                    self._store(recording, kind, side, images)

    def _store(self, recording: str, kind: str, side: str, images: np.ndarray) -> None:
        folder = self.tools.images / self.scores.method / kind / side
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images):  # png keeps the pixels, also those of what was a JPEG
            Image.fromarray(image).save(folder / f"{recording}_{number:05d}.png")

    def _cut(self, recording: str, what: str, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both to the shorter one."""
        length = min(len(first), len(second))
        if len(first) != len(second):
            notice = f"{recording}: {len(first)} {what} beside {len(second)} real ones: cut to {length}"
            self.scores.notices += [] if notice in self.scores.notices else [notice]
        return first[:length], second[:length]

    def _add_beats(self, recording: str, clip: Clip2D, *, is_real: bool, sound: Sound) -> None:
        """The released code takes the sound of the video itself, and only for the real ones that of input_audio/."""
        own = sound.beats
        if not is_real:
            track = audio_track(clip.video, self.sample_rate) if clip.has_frames else None
            own = sound.beats if track is None else audio_beat_frames(track, self.sample_rate)
            self._num_without_sound += track is None
        points, points_in_time = filled_as_published(clip.landmarks), filled_in_time(clip.landmarks)
        if points is None:
            self.scores.leave_out(recording, "BA", "no face in the first frame; the released code drops such a video")
        elif own is None:
            self.scores.leave_out(recording, "BA", sound.reason + ("" if is_real else ", and none in its video"))
        else:
            self._beats["BA"].update(points, None, beats=own, recording_id=recording)
        corrected = BEAT_METRICS[1]
        if points_in_time is None:
            self.scores.leave_out(recording, corrected, "a face in less than half of the frames")
        elif sound.beats is None:
            self.scores.leave_out(recording, corrected, sound.reason)
        else:
            self._beats[corrected].update(points_in_time, None, beats=sound.beats, fps=clip.fps, recording_id=recording)

    def finish(self) -> None:
        """Enters the numbers of the method, and why some have none."""
        scores = self.scores
        for metric in (self._frames, self._frame_scores, self._landmarks):
            scores.take(metric)
        for name, metric in self._beats.items():
            scores.take_beats(name, metric)
        self._add_fid()
        if not self.tools.can_decode and self._landmarks.recording_ids:
            scores.notices.append("landmarks are taken as pixels of image_size, since no video can be read here")
        if self._num_without_sound:
            where = f"of {self._num_without_sound} recordings with the sound of input_audio/"
            scores.notices.append(f"BA: {where}; the released code takes that of the video, which has none here")
        for name, reason in self.tools.reasons.items():
            given = name in LANDMARK_METRICS + BEAT_METRICS
            scores.without((name,), f"no landmarks are given (.npy), and {reason}" if given else reason)
        if not self._frames.recording_ids:
            scores.without((*FRAME_METRICS, *NETWORK_METRICS), "no videos of this method, or none of gt")
        if not self._landmarks.recording_ids:
            scores.without((*LANDMARK_METRICS, *BEAT_METRICS), "no landmarks (.npy) and no videos of this method")

    def _add_fid(self) -> None:
        folder = None if self.tools.images is None else self.tools.images / self.scores.method
        if folder is None or not folder.is_dir():
            return
        try:
            for name, kind in zip(FID_METRICS, ("published", "corrected"), strict=True):
                self.scores.values[name] = networks.fid(folder / kind / "generated", folder / kind / "real")
        except networks.Unavailable as error:
            self.scores.without(FID_METRICS, str(error))
