"""Grasps from files through the three modalities, many at once."""
