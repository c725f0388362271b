"""What a pose is, and its file formats: rotations, skeletons, layouts, frame rates, BVH and ARKit files.

Import the modules: `from emage.motion import rotation`, `from emage.motion.bvh import read_bvh`.
"""
