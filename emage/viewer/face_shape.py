"""A drawn face that the 51 ARKit weights move: outlines of points, and how far each weight moves each point.

Point = rest + sum of weight * move, as blend shapes do; the outline is then smoothed, filled and stroked. Coordinates are
those of a picture, about -100 to 100, y down; the person looks at us, so the person's left is on the right (+x).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from emage.motion.layout import ARKIT_51

Point = tuple[float, float]
Move = Callable[[float, float], Point]  # rest position -> displacement at weight 1
VIEW_BOX = (-112.0, -146.0, 112.0, 172.0)  # left, top, right, bottom of the picture


@dataclass
class Shape:
    """One outline.

    Attributes:
        points: at rest.
        closed: it returns to its first point.
        fill: name of a colour, or "".
        stroke: name of a colour, or "".
        width: of the stroke.
        clip: number of the shape inside of which alone it is drawn, or -1.
        moves: channel -> displacement of each point at weight 1.
    """

    points: list[Point]
    closed: bool = True
    fill: str = ""
    stroke: str = ""
    width: float = 0.0
    clip: int = -1
    moves: dict[str, list[Point]] = field(default_factory=dict)

    def move(self, channel: str, how: Move) -> "Shape":
        """Adds a displacement to those that a channel has already."""
        assert channel in ARKIT_51, channel
        before = self.moves.get(channel, [(0.0, 0.0)] * len(self.points))
        steps = [how(x, y) for x, y in self.points]
        self.moves[channel] = [(a + c, b + d) for (a, b), (c, d) in zip(before, steps, strict=True)]
        return self


def _ellipse(x: float, y: float, rx: float, ry: float, count: int = 12) -> list[Point]:
    turns = [2 * math.pi * k / count for k in range(count)]
    return [(x + rx * math.cos(turn), y + ry * math.sin(turn)) for turn in turns]


def _mirrored(points: Iterable[Point]) -> list[Point]:
    return [(-x, y) for x, y in points]


def _both(half: list[Point]) -> list[Point]:
    """An outline from its right half, top to bottom on the axis."""
    return half + _mirrored(p for p in reversed(half) if p[0] != 0)


def _chin(down: float) -> Move:
    """The lower face goes down with the jaw, the chin most."""
    return lambda x, y: (0.0, down * min(1.0, max(0.0, (y - 40) / 75)) ** 1.5)


def _chin_sideways(shift: float) -> Move:
    return lambda x, y: (shift * min(1.0, max(0.0, (y - 40) / 75)), 0.0)


_JAW_DROP = 30.0


def _with_jaw(shape: Shape, share: float = 1.0) -> Shape:
    """A shape that the jaw carries."""
    shape.move("jawOpen", lambda x, y: (0.0, share * _JAW_DROP))
    shape.move("jawLeft", lambda x, y: (8.0 * share, 0.0))
    return shape.move("jawRight", lambda x, y: (-8.0 * share, 0.0))


def _head() -> list[Shape]:
    outline = [(0, -124), (44, -117), (76, -90), (88, -46), (86, 2), (78, 46), (60, 86), (32, 112), (0, 120)]
    head = Shape(_both(outline), fill="skin", stroke="line", width=1.5)
    head.move("jawOpen", _chin(_JAW_DROP)).move("jawLeft", _chin_sideways(9)).move("jawRight", _chin_sideways(-9))
    head.move("jawForward", _chin(4))
    head.move("cheekPuff", lambda x, y: (math.copysign(10 * math.exp(-(((y - 46) / 34) ** 2)), x) if x else 0.0, 0.0))
    hairline = [(0, -92), (36, -88), (64, -72), (80, -44), (90, -30), (95, -58), (82, -106), (46, -132), (0, -138)]
    hair = Shape([*hairline, *_mirrored(hairline[-2:0:-1])], fill="hair")
    neck = Shape([(-38, 84), (38, 84), (42, 130), (70, 172), (-70, 172), (-42, 130)], fill="skinShade")
    ears = [Shape(_ellipse(side * 90, -2, 11, 20), fill="skinShade", stroke="line", width=1.5) for side in (-1, 1)]
    return [neck, *ears, head, hair]


def _eye(side: str, first: int) -> list[Shape]:
    """White, iris, pupil, glint and lid of one eye; `first` is the number that its white gets."""
    sign = 1 if side == "Left" else -1
    flip = list if side == "Left" else _mirrored
    lid = [(61, -17), (51, -28), (39, -32), (26, -28), (16, -15)]
    bottom = [(26, -8), (39, -5), (51, -9)]

    def upper(share: float) -> Move:
        """Towards the lower lid, most in the middle."""
        return lambda x, y: (0.0, share * 26 * max(0.0, 1 - ((abs(x) - 38.5) / 22.5) ** 2) if y < -16 else 0.0)

    def lower(lift: float) -> Move:
        return lambda x, y: (0.0, -lift if y > -14 else 0.0)

    white = Shape(flip(lid + bottom), fill="white")
    edge = Shape(flip(lid), closed=False, stroke="lash", width=4.0)
    for shape in (white, edge):
        shape.move(f"eyeBlink{side}", upper(1.0)).move(f"eyeWide{side}", upper(-0.28))
        shape.move(f"eyeSquint{side}", upper(0.22)).move(f"eyeSquint{side}", lower(4.5))
        shape.move(f"cheekSquint{side}", lower(4.0)).move(f"eyeLookDown{side}", upper(0.3))
        shape.move(f"eyeLookUp{side}", upper(-0.12))
    balls = [
        Shape(_ellipse(sign * 38.5, -18, 12.5, 12.5), fill="iris", clip=first),
        Shape(_ellipse(sign * 38.5, -18, 6, 6), fill="pupil", clip=first),
        Shape(_ellipse(sign * 38.5 + 4, -22, 2.6, 2.6), fill="white", clip=first),
    ]
    for ball in balls:
        ball.move(f"eyeLookOut{side}", lambda x, y: (sign * 12.0, 0.0))
        ball.move(f"eyeLookIn{side}", lambda x, y: (-sign * 12.0, 0.0))
        ball.move(f"eyeLookUp{side}", lambda x, y: (0.0, -9.0)).move(f"eyeLookDown{side}", lambda x, y: (0.0, 9.0))
    return [white, *balls, edge]


def _brow(side: str) -> Shape:
    flip = list if side == "Left" else _mirrored
    sign = 1 if side == "Left" else -1
    brow = Shape(flip([(15, -52), (32, -60), (52, -60), (69, -50)]), closed=False, stroke="hair", width=7.5)

    def inner(x: float) -> float:
        return max(0.0, 1 - (abs(x) - 15) / 40)

    brow.move("browInnerUp", lambda x, y: (0.0, -15 * inner(x)))
    brow.move(f"browDown{side}", lambda x, y: (-sign * 3 * inner(x), 6 + 6 * inner(x)))
    return brow.move(f"browOuterUp{side}", lambda x, y: (0.0, -13 * (1 - 0.8 * inner(x))))


def _nose() -> list[Shape]:
    bridge = Shape([(9, -14), (9, 8), (16, 24), (14, 31)], closed=False, stroke="crease", width=2.2)
    wings = Shape([(-15, 27), (-9, 34), (0, 31), (9, 34), (15, 27)], closed=False, stroke="crease", width=2.6)
    for shape in (bridge, wings):
        for side, sign in (("Left", 1), ("Right", -1)):
            shape.move(f"noseSneer{side}", lambda x, y, s=sign: (s * 2.0, -6.0) if s * x > 4 and y > 15 else (0.0, 0.0))
    return [bridge, wings]


def _folds() -> list[Shape]:
    """From the nose to the corners of the mouth, and below the lip."""
    folds = []
    for side, sign in (("Left", 1), ("Right", -1)):
        fold = Shape([(sign * 22, 30), (sign * 33, 42), (sign * 41, 60)], closed=False, stroke="crease", width=1.8)
        fold.move(f"mouthSmile{side}", lambda x, y, s=sign: (s * 7.0, -5.0))
        fold.move(f"mouthStretch{side}", lambda x, y, s=sign: (s * 5.0, 1.0))
        folds.append(fold.move(f"noseSneer{side}", lambda x, y: (0.0, -3.0)))
    chin = Shape([(-13, 99), (0, 102), (13, 99)], closed=False, stroke="crease", width=1.8)
    return [*folds, _with_jaw(chin)]


# Outline of lips and opening: the corner, then the upper edge, the other corner, then the lower edge.
_LIPS = [(34, 67), (20, 60), (8, 56), (0, 59), (-8, 56), (-20, 60), (-34, 67), (-20, 77), (0, 82), (20, 77)]
_OPENING = [(29, 67), (14, 66), (0, 66.5), (-14, 66), (-29, 67), (-14, 68), (0, 68.5), (14, 68)]
_CORNER_X = 27.0


def _lips(points: list[Point], **look: Any) -> Shape:
    """Lips or their opening; both move alike, so that the opening stays inside."""
    shape = Shape(list(points), **look)
    is_outer = points is _LIPS
    level = {point: 0.0 if abs(point[0]) > _CORNER_X else -1.0 if point[1] < 67 else 1.0 for point in points}

    def edge(x: float, y: float) -> float:
        """-1 on the upper edge, 0 in a corner, 1 on the lower edge."""
        return level[(x, y)]

    def middle(x: float) -> float:
        return max(0.0, 1 - (x / 34) ** 2)

    def lower(x: float, y: float) -> float:
        return max(0.0, edge(x, y))

    def upper(x: float, y: float) -> float:
        return max(0.0, -edge(x, y))

    drop = _JAW_DROP * 1.12
    shape.move("jawOpen", lambda x, y: (-0.10 * x, drop * (lower(x, y) + 0.28 * (edge(x, y) == 0))))
    shape.move("mouthClose", lambda x, y: (0.10 * x, -drop * (lower(x, y) + 0.28 * (edge(x, y) == 0))))
    shape.move("jawLeft", lambda x, y: (7 * lower(x, y), 0.0)).move("jawRight", lambda x, y: (-7 * lower(x, y), 0.0))
    shape.move("mouthLeft", lambda x, y: (11.0, 0.0)).move("mouthRight", lambda x, y: (-11.0, 0.0))
    shape.move("mouthFunnel", lambda x, y: (-0.34 * x, 9 * edge(x, y) * (0.5 + middle(x) / 2)))
    shape.move("mouthPucker", lambda x, y: (-0.48 * x, (3.5 if is_outer else 0.8) * edge(x, y)))
    rolled = 5.0 if is_outer else 0.0
    shape.move("mouthRollLower", lambda x, y: (0.0, -rolled * lower(x, y)))
    shape.move("mouthRollUpper", lambda x, y: (0.0, rolled * 0.8 * upper(x, y)))
    shape.move("mouthShrugLower", lambda x, y: (0.0, -5 * lower(x, y) * (1.0 if is_outer else 0.3)))
    shape.move("mouthShrugUpper", lambda x, y: (0.0, -5 * upper(x, y) * (1.0 if is_outer else 0.4)))
    for side, sign in (("Left", 1), ("Right", -1)):

        def near(x: float, s: int = sign) -> float:
            """0 on the other half of the mouth, 1 in this corner."""
            return max(0.0, s * x / 34)

        def half(x: float, s: int = sign) -> float:
            """This half of an edge with the middle, without the corner."""
            return middle(x) * (1.0 if s * x > 1 else 0.5 if abs(x) <= 1 else 0.0)

        shape.move(f"mouthSmile{side}", lambda x, y, s=sign, n=near: (s * 10 * n(x), -14 * n(x) ** 1.5))
        shape.move(f"mouthFrown{side}", lambda x, y, s=sign, n=near: (-s * 1 * n(x), 11 * n(x) ** 1.5))
        shape.move(f"mouthDimple{side}", lambda x, y, s=sign, n=near: (s * 8 * n(x), -2 * n(x)))
        shape.move(f"mouthStretch{side}", lambda x, y, s=sign, n=near: (s * 12 * n(x), 5 * n(x) ** 1.5))
        shape.move(f"mouthUpperUp{side}", lambda x, y, h=half: (0.0, -9 * upper(x, y) * h(x)))
        shape.move(f"mouthLowerDown{side}", lambda x, y, h=half: (0.0, 10 * lower(x, y) * h(x)))
        pressed = 3.0 if is_outer else 0.3
        shape.move(f"mouthPress{side}", lambda x, y, h=half, p=pressed: (0.0, -p * edge(x, y) * h(x)))
    return shape


def _mouth(first: int) -> list[Shape]:
    """Lips, opening, teeth and tongue; `first` is the number that the lips get."""
    lips = _lips(_LIPS, fill="lip")
    opening = _lips(_OPENING, fill="mouth")
    tongue = _with_jaw(Shape(_ellipse(0, 84, 20, 12), fill="tongue", clip=first + 1), 0.9)
    above = Shape([(-24, 56), (24, 56), (21, 71.5), (0, 73), (-21, 71.5)], fill="teeth", clip=first + 1)
    below = _with_jaw(Shape([(-19, 71), (0, 69), (19, 71), (19, 80), (-19, 80)], fill="teeth", clip=first + 1), 1.05)
    rim = _lips(_OPENING, stroke="lipLine", width=1.6)
    return [lips, opening, tongue, below, above, rim]


def face_shapes() -> list[Shape]:
    """All outlines, in the order in which they are painted."""
    shapes = [*_head(), *_nose(), *_folds()]
    shapes += _mouth(len(shapes))
    shapes += _eye("Right", len(shapes))
    shapes += _eye("Left", len(shapes))
    return [*shapes, _brow("Right"), _brow("Left")]


def face_description() -> dict[str, Any]:
    """The face as plain lists for the page: the channels' names are replaced by their numbers."""
    rows = []
    for shape in face_shapes():
        moves = [
            [ARKIT_51.index(channel), [[round(x, 2), round(y, 2)] for x, y in steps]]
            for channel, steps in shape.moves.items()
        ]
        look = {"fill": shape.fill, "stroke": shape.stroke, "width": shape.width, "clip": shape.clip}
        points = [[round(x, 2), round(y, 2)] for x, y in shape.points]
        rows.append({"points": points, "closed": shape.closed, "moves": moves, **look})
    return {"box": list(VIEW_BOX), "shapes": rows}
