import numpy as np
import pytest

from emage.motion.layout import ARKIT_51
from emage.viewer.face_shape import Shape, face_description, face_shapes
from emage.viewer.painter import moved

SHAPES = face_shapes()
# The light comes from one side: the glint in the eyes and the edge of the nose are no mirror pictures.
LIT = [shape for shape in SHAPES if (shape.clip >= 0 and shape.fill == "white") or shape.points[0] == (9, -14)]


def spread(weights: dict[str, float], shapes: list[Shape] = SHAPES) -> np.ndarray:
    """All points of the face under some weights."""
    return np.concatenate([moved(shape, weights) for shape in shapes])


@pytest.mark.parametrize("channel", ARKIT_51)
def test_every_channel_moves_something_and_not_too_far(channel):
    steps = np.linalg.norm(spread({channel: 1.0}) - spread({}), axis=1)
    assert 2 < steps.max() < 45
    assert len(LIT) == 3


@pytest.mark.parametrize("channel", [name for name in ARKIT_51 if name.endswith("Left")])
def test_right_is_left_in_the_mirror(channel):
    def steps(name: str) -> np.ndarray:
        symmetric = [shape for shape in SHAPES if shape not in LIT]
        rest, there = spread({}, symmetric), spread({name: 1.0}, symmetric)
        moving = np.abs(there - rest).max(axis=1) > 0
        return np.concatenate([rest[moving], there[moving]], axis=1)

    left, right = steps(channel), steps(channel.removesuffix("Left") + "Right")
    mirrored = right * [-1, 1, -1, 1]
    assert sorted(map(tuple, left.round(6) + 0.0)) == sorted(map(tuple, mirrored.round(6) + 0.0))


def shape(fill: str, place: int = 0):
    return [shape for shape in SHAPES if shape.fill == fill][place]


def test_the_mouth_opens_with_the_jaw_and_closes_against_it():
    def opening(**weights: float) -> float:
        return float(np.ptp(moved(shape("mouth"), weights)[:, 1]))

    assert opening(jawOpen=1.0) > opening(jawOpen=0.3) > opening() + 5
    assert opening(jawOpen=1.0, mouthClose=1.0) == pytest.approx(opening(), abs=0.5)
    assert np.ptp(moved(shape("lip"), {"mouthPucker": 1.0})[:, 0]) < 0.6 * np.ptp(moved(shape("lip"), {})[:, 0])


def test_a_blink_shuts_the_eye_of_its_own_side():
    rights, lefts = (shape for shape in SHAPES if shape.fill == "white" and len(shape.points) == 8)

    def height(eye, **weights: float) -> float:
        points = moved(eye, weights)
        middle = points[np.abs(np.abs(points[:, 0]) - 39) < 3]
        return float(np.ptp(middle[:, 1]))

    for eye, side, other in ((rights, "Right", "Left"), (lefts, "Left", "Right")):
        assert height(eye, **{f"eyeBlink{side}": 1.0}) < 0.1 * height(eye)
        assert height(eye, **{f"eyeBlink{other}": 1.0}) == height(eye)
        assert height(eye, **{f"eyeWide{side}": 1.0}) > height(eye)


def test_the_page_gets_the_same_numbers():
    description = face_description()
    assert len(description["shapes"]) == len(SHAPES)
    for row, own in zip(description["shapes"], SHAPES, strict=True):
        assert np.allclose(row["points"], own.points, atol=0.006)
        assert {ARKIT_51[channel] for channel, _ in row["moves"]} == set(own.moves)
        assert row["clip"] < 0 or description["shapes"][row["clip"]]["closed"]
