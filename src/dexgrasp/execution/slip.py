"""Notices that a grip slips, and asks for a tighter squeeze."""

from __future__ import annotations

import numpy as np

from dexgrasp.execution.config import SlipConfig
from dexgrasp.execution.sensing import Felt
from dexgrasp.geometry import inverse, rotation_between
from dexgrasp.types import Array

SMOOTH = 0.03  # [s] of the filter on forces: three steps at 100 Hz, within the 40 ms of a reaction
LOOK = 0.25  # [s] between two views of a tracked object, at most; longer no view speaks for now
FIRM = 0.5  # [N] of normal force below which a ratio says nothing


class SlipWatch:
    """Watches N worlds from the begin of the lift on.

    slipping: (N, F) bool, fingers that slip now; all of a world's fingers when its object is
    seen to move.  tightening: (N, F) times the planned squeeze, from 1 on: it grows while a
    finger slips, or while the fingers carry more than friction is sure to take, and never falls
    within a goal, because a grip that was too weak once is too weak.  drifting: (N,) bool, the
    contacts have given way since the lift began.
    """

    def __init__(self, settings: SlipConfig, worlds: int, fingers: int) -> None:
        self._settings = settings
        self.slipping = np.zeros((worlds, fingers), dtype=bool)
        self.tightening = np.ones((worlds, fingers))
        self._tightest = np.ones((worlds, fingers))
        self._insecure = np.zeros(worlds, dtype=bool)
        self.drifting = np.zeros(worlds, dtype=bool)
        self._normal = np.full((worlds, fingers, 3), np.nan)
        self._watching = np.zeros(worlds, dtype=bool)
        self._force = np.zeros((worlds, fingers))
        self._firmest = np.zeros((worlds, fingers))
        self._points = np.zeros((worlds, fingers, 3))
        self._unloaded = np.zeros((worlds, 3))
        self._tracked: Array | None = None
        self._first_pose = np.full((worlds, 4, 4), np.nan)
        self._moved_for = np.zeros(worlds)

    @property
    def yielding(self) -> Array:
        """(N,) bool: a grip is too weak for what it carries, and can still be made tighter."""
        return self._insecure & (self.tightening < self._tightest).any(axis=1)

    def start(self, rows: Array, normals: Array, room: Array) -> None:
        """Forget worlds `rows`. normals: (k, F, 3) of their contacts in the palm, or NaN.

        room: (k, F) times the planned squeeze that a finger's joints can do.
        """
        self.slipping[rows], self._watching[rows], self._insecure[rows] = False, False, False
        self._tightest[rows] = np.clip(room, 1.0, self._settings.tightest)
        self.tightening[rows] = 1.0
        self._normal[rows] = normals

    def track(self, T_world_object: Array) -> None:
        """Take the objects' poses (N, 4, 4) as tracked by a camera; NaN where one is not seen.

        Any frame fixed to the object serves. Call it before the step that it is for; a pose is
        used once.
        """
        self._tracked = np.asarray(T_world_object, float)

    def update(self, carrying: Array, dt: Array, felt: Felt, T_world_palm: Array) -> None:
        """One step. carrying: (N,) bool, in LIFT or HOLD.  dt: (N,) [s] since the last one."""
        settings = self._settings
        share = (dt / (SMOOTH + dt))[:, None]
        begins = carrying & ~self._watching
        self._watching = carrying.copy()
        seen = self._seen(T_world_palm)
        if not carrying.any():
            self.slipping[:], self._insecure[:], self.drifting[:] = False, False, False
            return
        self._force[begins] = self._firmest[begins] = felt.force[begins]
        self._points[begins] = felt.points[begins]
        self._unloaded[begins] = _total(felt)[begins]
        self._first_pose[begins], self._moved_for[begins] = np.nan, 0.0
        self._force += share * (felt.force - self._force)
        self._firmest = np.fmax(self._firmest, self._force)
        held = self._firmest > FIRM
        slipping = held & (self._force < (1.0 - settings.drop) * self._firmest)
        drift = np.linalg.norm(felt.points - self._points, axis=2)
        slipping |= felt.touching & (drift > settings.drift)
        self.drifting = carrying & (felt.touching & (drift > settings.give)).any(axis=1)
        slipping |= (self._moved(seen, dt) & held.any(axis=1))[:, None]
        self.slipping = slipping & carrying[:, None]
        # One finger that slips needs the others to press back: all of them tighten.
        weak = carrying & (self._load(felt) > settings.load)
        self._insecure = self.slipping.any(axis=1) | weak
        step = settings.tighten_rate * dt * self._insecure
        self.tightening = np.minimum(self.tightening + step[:, None], self._tightest)

    def _load(self, felt: Felt) -> Array:
        """(N,) what the fingers carry over what they press with; 0 where they hardly press.

        Of all fingers at once: one finger's tangential force may be a squeeze that another
        finger answers, and then takes no friction from the weight. What did not balance when
        the lift began, on the table, is no load but an error of the estimate.
        """
        along = np.einsum("nfk,nfk->nf", felt.vector, np.nan_to_num(self._normal))
        pressed = np.maximum(along * felt.touching, 0.0).sum(axis=1)
        carried = np.linalg.norm(_total(felt) - self._unloaded, axis=1)
        firm = pressed > FIRM
        return np.where(firm, carried / np.where(firm, pressed, 1.0), 0.0)

    def _seen(self, T_world_palm: Array) -> Array | None:
        """(N, 4, 4) the objects in the palms, if any was handed in."""
        tracked, self._tracked = self._tracked, None
        return None if tracked is None else inverse(T_world_palm) @ tracked

    def _moved(self, seen: Array | None, dt: Array) -> Array:
        """(N,) bool: in the last view a tracked object was elsewhere in the hand than before."""
        self._moved_for -= dt
        if seen is not None:
            known = np.isfinite(seen).all(axis=(1, 2)) & self._watching
            fresh = known & np.isnan(self._first_pose[:, 0, 0])
            self._first_pose[fresh] = seen[fresh]
            rows = np.flatnonzero(known)
            first, now = self._first_pose[rows], seen[rows]
            far = np.linalg.norm(now[:, :3, 3] - first[:, :3, 3], axis=1) > self._settings.motion
            turned = np.linalg.norm(rotation_between(first, now), axis=1) > self._settings.turn
            self._moved_for[rows] = np.where(far | turned, LOOK, 0.0)
            again = rows[far | turned]  # the next slip is counted from here
            self._first_pose[again] = seen[again]
        return self._moved_for > 0.0


def _total(felt: Felt) -> Array:
    """(N, 3) force of all touching fingers together on the object [N]."""
    return (felt.vector * felt.touching[..., None]).sum(axis=1)
