"""A small BVH file as text, and what tests of BVH files share."""

from pathlib import Path

import torch

from emage.motion.bvh import BvhMotion

# An arm that points up: the hips turn about Z, the elbow about X and then Y.
ARM = """HIERARCHY
ROOT Hips
{
	OFFSET 0.0 90.0 0.0
	CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
	JOINT Arm
	{
		OFFSET 0.0 10.0 0.0
		CHANNELS 2 Xrotation Yrotation
		JOINT Hand
		{
			OFFSET 5.0 0.0 0.0
			CHANNELS 0
			End Site
			{
				OFFSET 0.0 0.0 2.0
			}
		}
	}
}
MOTION
Frames: 2
Frame Time: 0.033333
1.0 2.0 3.0 90.0 0.0 0.0 0.0 0.0
1.0 2.0 3.0 0.0 0.0 0.0 90.0 90.0
"""


def save(folder: Path, text: str | bytes, name: str = "a.bvh") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def assert_same_motion(a: BvhMotion, b: BvhMotion, tolerance: float = 1e-6) -> None:
    assert a.skeleton.names == b.skeleton.names
    assert a.skeleton.parents == b.skeleton.parents
    assert torch.equal(a.skeleton.offsets_cm, b.skeleton.offsets_cm)
    assert a.channels == b.channels
    assert a.frame_time_s == b.frame_time_s
    assert [(joint, offset.tolist()) for joint, offset in a.end_sites] == [
        (joint, offset.tolist()) for joint, offset in b.end_sites
    ]
    torch.testing.assert_close(a.values, b.values, atol=tolerance, rtol=0)
