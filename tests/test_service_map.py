"""The map of the items: groups of similar items."""

import numpy as np
import pytest

from palate.service.item_map import _components, _groups


def test_items_of_one_direction_are_one_group():
    rng = np.random.default_rng(3)
    kinds = rng.integers(0, 6, 200)
    centres = np.linalg.qr(rng.normal(size=(8, 8)))[0][:6]
    factors = (centres[kinds] + 0.1 * rng.normal(size=(200, 8))) * rng.uniform(0.5, 4, (200, 1))
    groups = _groups(factors)
    pairs = set(zip(kinds.tolist(), groups.tolist(), strict=True))
    assert len(pairs) == 6  # each kind is one group, whatever its number
    assert len({group for _, group in pairs}) == 6
    np.testing.assert_array_equal(groups, _groups(factors))


@pytest.mark.parametrize(
    "factors", [np.zeros((20, 3)), np.ones((20, 3)), np.zeros((0, 3)), np.zeros((9, 0)), np.eye(4)]
)
def test_equal_items_and_few_items_have_groups_and_places(factors):
    groups = _groups(factors)
    assert groups.shape == (len(factors),)
    assert ((groups >= 0) & (groups < 6)).all()
    places, explained = _components(factors)
    assert places.shape == (len(factors), 2)
    assert np.isfinite(places).all()
    assert np.isfinite(explained).all()
