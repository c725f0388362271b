"""Colours of the viewer, light and dark, for the page and the video; and how a capsule is shaded."""

RESULT_COLOURS = (
    "#3f7fd6",
    "#d9822b",
    "#2a9d8f",
    "#9b5fc0",
    "#c2514f",
    "#7c8a2e",
)  # by place; told apart when colour-blind

_FACE = {
    "skin": "#e7bc9b",
    "skinShade": "#d3a27f",
    "line": "#b98463",
    "crease": "#c58f70",
    "hair": "#43342c",
    "lash": "#33261f",
    "white": "#fcfbf7",
    "iris": "#4c7486",
    "pupil": "#161616",
    "lip": "#bd6a61",
    "lipLine": "#8d4640",
    "mouth": "#4a1f20",
    "teeth": "#f4efe6",
    "tongue": "#c8726c",
}
THEMES = {
    "light": {
        "page": "#f3f4f6",
        "panel": "#ffffff",
        "stage": "#e9edf2",
        "horizon": "#f8fafc",
        "grid": "#aab4c0",
        "shadow": "#334155",
        "text": "#1b2430",
        "muted": "#5b6675",
        "wave": "#8fa3bb",
        "accent": "#2563eb",
        "faceBack": "#dfe7ee",
        **_FACE,
    },
    "dark": {
        "page": "#12161c",
        "panel": "#1b212a",
        "stage": "#171c24",
        "horizon": "#242c37",
        "grid": "#465261",
        "shadow": "#000000",
        "text": "#e8edf3",
        "muted": "#9aa7b6",
        "wave": "#5d7490",
        "accent": "#6aa3ff",
        "faceBack": "#2a3340",
        **_FACE,
    },
}
# Layers of a capsule, each painted over the one before: share of the radius, shift towards the light as a share of the
# radius (right, down), and how much white (above 0) or black (below 0) is mixed into the colour.
CAPSULE_LAYERS = (
    (1.0, 0.0, 0.0, -0.42),
    (0.86, -0.06, -0.08, -0.14),
    (0.6, -0.2, -0.22, 0.08),
    (0.26, -0.36, -0.38, 0.3),
)
FAR_FADE = 0.45  # of the stage's colour mixed into what is a body's depth farther away
# Turn about the vertical, angle from above, distance and height looked at in heights of the person, focal length in
# heights of the picture; it follows the hips, averaged over some seconds.
CAMERA = {"yaw_rad": 0.42, "pitch_rad": 0.1, "distance": 2.15, "target": 0.53, "focal": 1.75, "follow_s": 4.0}
