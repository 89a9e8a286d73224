"""Objects: shape, distance field, mass and how they rest; the catalogue and mesh files."""

from dexgrasp.objects.catalogue import load_object, object_names
from dexgrasp.objects.labels import CloudLabels, FaceLabels, SurfaceLabels, read_labels
from dexgrasp.objects.meshfile import checked_mesh
from dexgrasp.objects.model import ObjectModel
from dexgrasp.objects.sdf import SignedDistance, exact_signed_distance
from dexgrasp.objects.voxels import Voxels

__all__ = [
    "CloudLabels",
    "FaceLabels",
    "ObjectModel",
    "SignedDistance",
    "SurfaceLabels",
    "Voxels",
    "checked_mesh",
    "exact_signed_distance",
    "load_object",
    "object_names",
    "read_labels",
]
