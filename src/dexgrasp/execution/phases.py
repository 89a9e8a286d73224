"""The phases of a trial, their order, and the ways in which they fail."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """Where a world is. The first five after IDLE are the survey's, the last two of a delivery."""

    IDLE = 0
    APPROACH = 1
    COVER = 2
    PREGRASP_CLOSURE = 3
    FULL_GRASP = 4
    LIFT = 5
    HOLD = 6
    PLACE = 7
    RELEASE = 8
    RETREAT = 9
    DONE = 10
    FAILED = 11
    CARRY = 12
    HAND_OVER = 13


class Fault(IntEnum):
    """Why a goal ended; equal to the constants of `dexgrasp_interfaces/msg/ErrorCode`."""

    NONE = 0
    APPROACH_TIMEOUT = 41
    COVER_TIMEOUT = 42
    PREGRASP_CLOSURE_TIMEOUT = 43
    FULL_GRASP_TIMEOUT = 44
    LIFT_TIMEOUT = 45
    HOLD_TIMEOUT = 46
    PLACE_TIMEOUT = 47
    RELEASE_TIMEOUT = 48
    RETREAT_TIMEOUT = 49
    COVER_BLOCKED = 51
    NOTHING_GRASPED = 52
    OBJECT_LOST = 53
    BAD_OBSERVATION = 54
    JOINT_STUCK = 55
    CANCELLED = 60


NEXT_PHASE = {
    Phase.APPROACH: Phase.COVER,
    Phase.COVER: Phase.PREGRASP_CLOSURE,
    Phase.PREGRASP_CLOSURE: Phase.FULL_GRASP,
    Phase.FULL_GRASP: Phase.LIFT,
    Phase.LIFT: Phase.HOLD,
    Phase.HOLD: Phase.DONE,
    Phase.PLACE: Phase.RELEASE,
    Phase.RELEASE: Phase.RETREAT,
    Phase.RETREAT: Phase.DONE,
}

LONGEST_GAP = 0.5  # [s] between two observations; what was planned from the older one is void

CARRYING = (Phase.FULL_GRASP, Phase.LIFT, Phase.HOLD)
FINISHED = (Phase.IDLE, Phase.DONE, Phase.FAILED)

FAULT_WORDS = {
    Fault.COVER_BLOCKED: "the hand touched something well before the grasp pose",
    Fault.NOTHING_GRASPED: "fewer than two fingers touched the object",
    Fault.OBJECT_LOST: "the fingers lost the object",
    Fault.BAD_OBSERVATION: "the observation holds NaN, or time runs backwards or jumps",
    Fault.JOINT_STUCK: "a joint did not follow its target in the air: it is stuck, or has no power",
    Fault.CANCELLED: "cancelled on request",
}


def fault_words(fault: Fault) -> str:
    """One sentence on a fault."""
    if fault in FAULT_WORDS:
        return FAULT_WORDS[fault]
    if fault == Fault.NONE:
        return "ok"
    return f"the phase {fault.name.removesuffix('_TIMEOUT').lower()} ran out of time"
