"""Every fault of the matrix in one situation, which is another for each; the benchmark has all."""

from __future__ import annotations

import pytest

from dexgrasp.hardware.fault_matrix import FAULTS, FOR_GOOD, SITUATIONS, inject

CASES = [(hand, fault) for hand, faults in FAULTS.items() for fault in faults]


@pytest.mark.parametrize(("index", "hand", "fault"), [(i, *case) for i, case in enumerate(CASES)])
def test_the_hand_is_safe_in_time_and_the_fault_told(index, hand, fault) -> None:
    outcome = inject(hand, fault, SITUATIONS[index % 3])
    assert outcome.told, outcome
    assert outcome.inside, outcome
    # Behind a bus that stays off the hand obeys its last torques: nobody can tell it otherwise.
    assert outcome.safe or fault == FOR_GOOD, outcome
