"""What a recording has no part in, and why: rows (id, metric, reason) for `not_scored`."""

from emage.evaluation.store import Recording
from emage.evaluation.systems import Plan
from emage.evaluation.take import WINDOW_FRAMES


def gaps(recording: Recording, plan: Plan) -> list[dict[str, str]]:
    """Metrics that a recording, though it is there, is too short or too quiet for."""
    rows = []
    takes = list(recording.takes.values())
    if all(take.has_body for take in takes):
        if plan.network is not None and all(take.network is not None for take in takes):
            window = plan.network.bundle.config.data.window_frames
            shortest = min(len(take.network) for take in takes)
        else:
            window, shortest = WINDOW_FRAMES, min(len(take.window_cm) for take in takes)
        if shortest < window:
            rows.append(_row(recording, "fgd", f"{shortest} frames, shorter than the window of {window}"))
        onsets = recording.sound.onsets_s.get("beat_align")
        if onsets is not None and not len(onsets):
            rows.append(_row(recording, "beat_align", "no onset in its audio"))
    return rows


def _row(recording: Recording, metric: str, reason: str) -> dict[str, str]:
    return {"id": recording.id, "metric": metric, "reason": reason}
