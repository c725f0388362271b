"""Results to look at: a page that plays in any browser, the same as a video, and the report of an evaluation.

What is drawn (how thick a bone is, how a face moves) is stated once, in `body_shape` and `face_shape`; the page draws it in
JavaScript and the video in Python.
"""
