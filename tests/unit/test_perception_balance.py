"""The guess at where the mass of a completed shape lies."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.perception.balance import SHARE, toward_head

SPACING = 0.005


def cells(*boxes: tuple[slice, slice]) -> np.ndarray:
    """A plate of (80, 40, 6) cells that is solid in the boxes."""
    solid = np.zeros((80, 40, 6), dtype=bool)
    for box in boxes:
        solid[(*box, slice(1, 5))] = True
    return solid


HANDLE = (slice(5, 70), slice(17, 22))
HEAD = (slice(62, 70), slice(8, 32))


def test_the_mass_of_a_hammer_lies_towards_its_head() -> None:
    solid = cells(HANDLE, HEAD)
    shift = toward_head(solid, SPACING)
    middle = np.argwhere(solid)[:, 0].mean()
    assert shift == pytest.approx([SHARE * (69 - middle) * SPACING, 0.0, 0.0])
    np.testing.assert_allclose(toward_head(solid[::-1], SPACING), -shift, atol=1e-12)
    turned = toward_head(solid.transpose(1, 0, 2), SPACING)
    np.testing.assert_allclose(turned, shift[[1, 0, 2]], atol=1e-12)


@pytest.mark.parametrize(
    "solid",
    [
        cells(HANDLE),
        cells((slice(5, 70), slice(8, 32))),
        cells((slice(10, 40), slice(17, 22)), (slice(32, 40), slice(8, 32))),
    ],
    ids=["a stick", "a plate", "as wide as it is long"],
)
def test_other_shapes_have_no_head(solid: np.ndarray) -> None:
    np.testing.assert_array_equal(toward_head(solid, SPACING), 0.0)
