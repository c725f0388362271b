"""SingingHead's two benchmarks over a folder of results (`emage evaluate singinghead`): 3D, FLAME codes; 2D, videos.

Import the modules: `from emage.singinghead_suite.suite import evaluate_singinghead`.
"""

IMAGE_SIZE, FRAME_INTERVAL = 256, 6  # pixels, and frames at 30 fps, of the released code
