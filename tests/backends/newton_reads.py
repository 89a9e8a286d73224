"""Run by IsaacLab's Python: what Newton reads from a USD file, as JSON on the last line."""

from __future__ import annotations

import json
import sys

import newton
import numpy as np
from newton.usd import SchemaResolverMjc, SchemaResolverNewton, SchemaResolverPhysx


def main(path: str) -> None:
    """Figures by body and joint; inertias (3, 3) about the com in the body's frame."""
    builder = newton.ModelBuilder()
    newton.solvers.SolverMuJoCo.register_custom_attributes(builder)
    resolvers = [SchemaResolverNewton(), SchemaResolverPhysx(), SchemaResolverMjc()]
    builder.add_usd(path, schema_resolvers=resolvers)
    free = builder.joint_type.index(newton.JointType.FREE)
    bodies = {
        label.split("/")[-1]: {
            "mass": builder.body_mass[i],
            "com": list(builder.body_com[i]),
            "inertia": np.array(builder.body_inertia[i]).reshape(3, 3).tolist(),
        }
        for i, label in enumerate(builder.body_label)
    }
    joints = {}
    for i, label in enumerate(builder.joint_label):
        if i != free:
            dof = builder.joint_qd_start[i]
            joints[label.split("/")[-1]] = {
                "armature": builder.joint_armature[dof],
                "friction": builder.joint_friction[dof],
                "stiffness": builder.joint_target_ke[dof],
                "damping": builder.joint_target_kd[dof],
                "effort": builder.joint_effort_limit[dof],
                "lower": builder.joint_limit_lower[dof],
                "upper": builder.joint_limit_upper[dof],
            }
    shapes = [float(mu) for mu in builder.shape_material_mu]
    print(json.dumps({"bodies": bodies, "joints": joints, "friction": shapes}))


if __name__ == "__main__":
    main(sys.argv[1])
