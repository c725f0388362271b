"""Frame Time of a BVH file: the seconds of a frame from what exporters write on that line.

The format demands seconds. Some programs write the frame rate (`Frame Time: 30`) or milliseconds (`Frame Time: 33.3`);
both are recognised by the usual rates and accepted with a warning, unless they could be either. Some round so much
(`0.033`) that a minute is off by half a second; the usual rate within the rounding is then taken. Fewer digits (`0.03`)
or a number that is cut off (`0.016`) do not say enough: they are taken as they are, with a warning.
"""

from decimal import Decimal

FPS_TOLERANCE = 5e-4  # relative: 0.008333 s means 1/120 s, 0.0667 s means 1/15 s, but 29.97 fps stays itself
SHORTEST_S, LONGEST_S = 1e-4, 1.0
FEW_DIGITS = 3  # with four, what is cut off lies within FPS_TOLERANCE
NTSC = (24000 / 1001, 30000 / 1001, 60000 / 1001, 120000 / 1001)
USUAL_RATES = (10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 72, 75, 90, 100, 120, 144, 200, 240, *NTSC)
SELDOM_RATES = (40, 80, 125, 150, 180, 250, 300, 360, 480, 500, 600, 1000)  # as rates, but not as milliseconds


def nominal_fps(frame_time_s: float) -> float:
    """1 / frame_time_s, as the whole number that the file's rounding stands for (0.008333 s is 120 fps)."""
    fps = 1 / frame_time_s
    whole = round(fps)
    return float(whole) if whole and abs(fps / whole - 1) < FPS_TOLERANCE else fps


def frame_time(number: str) -> tuple[float, str]:
    """Seconds of a frame.

    Args:
        number: what stands behind `Frame Time:`, a finite number above 0 with a decimal point.

    Returns:
        Seconds, and a warning that says how the number was taken; "" where it is what the format demands.

    Raises:
        ValueError: a number that is no frame time, with the remedy.
    """
    value = float(number)
    if value < SHORTEST_S:
        raise ValueError(f"got {number!r}, {1 / max(value, 1e-300):.3g} frames a second; {_EXPECTED}")
    if value <= LONGEST_S:
        fps = _rounded_rate(number)
        if not fps:
            return value, _doubt(number)
        return 1 / fps, f"Frame Time {number} is rounded; taken as 1/{fps:g} s ({fps:g} fps)"
    rates = [rate for rate in (*USUAL_RATES, *SELDOM_RATES) if abs(value / rate - 1) < FPS_TOLERANCE]
    milliseconds = _nearest_rate(number, scale=1000)
    if rates and milliseconds:
        raise ValueError(
            f"got {number!r}, which may be {rates[0]:g} frames a second or {number} milliseconds; write"
            f" {1 / rates[0]:.6g} or {value / 1000:.6g} seconds"
        )
    if rates:
        fps = min(rates, key=lambda rate: abs(value - rate))
        return 1 / fps, f"Frame Time {number} is taken as {fps:g} frames a second, not as seconds"
    if milliseconds:
        return 1 / milliseconds, f"Frame Time {number} is taken as milliseconds ({milliseconds:g} fps), not as seconds"
    raise ValueError(f"got {number!r}; {_EXPECTED}")


_EXPECTED = f"expected the seconds of a frame, {SHORTEST_S:g} to {LONGEST_S:g}, e.g. 0.033333 for 30 frames a second"


def _rounded_rate(number: str) -> float:
    """The usual rate that a rounded number of seconds stands for; 0 where it stands for itself."""
    fps = nominal_fps(float(number))
    rate = 0.0 if fps == round(fps) else _nearest_rate(number, scale=1)
    return 0.0 if abs(rate / fps - 1) < FPS_TOLERANCE else rate


def _doubt(number: str) -> str:
    """A warning where few digits leave open whether another rate is meant, rounded or cut off; "" where they do not."""
    decimal, fps = Decimal(number), nominal_fps(float(number))
    num_digits, rates = len(decimal.normalize().as_tuple().digits), (*USUAL_RATES, *SELDOM_RATES)
    if len(decimal.as_tuple().digits) > FEW_DIGITS or fps in USUAL_RATES:
        return ""
    step = float(Decimal(1).scaleb(decimal.as_tuple().exponent))
    lowest, highest = float(decimal) - step / 2, float(decimal) + step * (1 - 1e-9)
    found = [
        rate
        for rate in (rates if num_digits == 1 else USUAL_RATES)
        if lowest <= 1 / rate < highest and abs(rate / fps - 1) > FPS_TOLERANCE
    ]
    if not found:
        return ""
    likely = min(found, key=lambda rate: (rate not in USUAL_RATES, rate != round(rate), abs(1 / rate - float(decimal))))
    return (
        f"Frame Time {number} is read as it stands, {fps:.4g} fps; if {likely:g} fps are meant, write {1 / likely:.6f}"
        " there"
    )


def _nearest_rate(number: str, scale: float) -> float:
    """The usual rate whose frame lasts `number`, in 1 / scale seconds, within the rounding of the text; 0 if none.

    Whole rates come before 29.97 and its like, and a number with one digit says too little.
    """
    decimal = Decimal(number)
    if len(decimal.as_tuple().digits) < 2:
        return 0.0
    half_step = float(Decimal(5).scaleb(decimal.as_tuple().exponent - 1)) + 1e-9 * scale
    found = [rate for rate in USUAL_RATES if abs(scale / rate - float(decimal)) <= half_step]
    return min(found, key=lambda rate: (rate != round(rate), abs(scale / rate - float(decimal))), default=0.0)
