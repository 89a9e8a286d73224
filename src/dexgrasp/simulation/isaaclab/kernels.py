"""Forces on Newton's bodies, as kernels of warp: on a GPU they are recorded with the step."""

import warp as wp  # no annotations from the future: warp reads these


@wp.kernel
def pull_wrist(
    palm: wp.array(dtype=int),
    goal: wp.array(dtype=wp.transform),
    stiffness: wp.vec2,
    damping: wp.vec2,
    limit: wp.vec2,
    passive: wp.vec2,
    body_q: wp.array(dtype=wp.transform),
    body_qd: wp.array(dtype=wp.spatial_vector),
    body_com: wp.array(dtype=wp.vec3),
    body_f: wp.array(dtype=wp.spatial_vector),
):
    """Cartesian servos from each palm to its goal, bounded on each axis of the goal's frame.

    Their damping is implicit as in the MuJoCo scene: the solver has it on the palm's six degrees
    of freedom. The force that the solver itself makes of it, `passive` times the velocity, is
    taken out again, so that what is left is bounded.
    """
    world = wp.tid()
    body = palm[world]
    pose, wanted = body_q[body], goal[world]
    turn = wp.transform_get_rotation(wanted)
    arm = wp.quat_rotate(wp.transform_get_rotation(pose), body_com[body])
    spin = wp.spatial_bottom(body_qd[body])
    speed = wp.spatial_top(body_qd[body]) - wp.cross(spin, arm)
    gap = wp.transform_get_translation(wanted) - wp.transform_get_translation(pose)
    error = wp.quat_inverse(turn) * wp.transform_get_rotation(pose)
    if error[3] < 0.0:
        error = -error
    axis = wp.vec3(0.0)
    angle = 0.0 * error[3]  # a variable of warp's, where a literal would be a constant
    sine = wp.length(wp.vec3(error[0], error[1], error[2]))
    if sine > 1.0e-9:
        angle = 2.0 * wp.atan2(sine, error[3])
        axis = wp.vec3(error[0], error[1], error[2]) / sine
    v, w = wp.quat_rotate_inv(turn, speed), wp.quat_rotate_inv(turn, spin)
    force = stiffness[0] * wp.quat_rotate_inv(turn, gap) - damping[0] * v
    torque = -stiffness[1] * angle * axis - damping[1] * w
    for i in range(3):
        force[i] = wp.clamp(force[i], -limit[0], limit[0]) + passive[0] * v[i]
        torque[i] = wp.clamp(torque[i], -limit[1], limit[1]) + passive[1] * w[i]
    force = wp.quat_rotate(turn, force)
    torque = wp.quat_rotate(turn, torque) - wp.cross(arm, force)
    body_f[body] = body_f[body] + wp.spatial_vector(force, torque)


@wp.kernel
def push_objects(
    bodies: wp.array(dtype=int),
    push: wp.array(dtype=wp.vec3),
    body_f: wp.array(dtype=wp.spatial_vector),
):
    """A force on the centre of mass of each object."""
    i = wp.tid()
    body_f[bodies[i]] = body_f[bodies[i]] + wp.spatial_vector(push[i], wp.vec3(0.0))
