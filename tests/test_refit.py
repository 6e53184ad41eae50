"""More ratings for a model in a file, and several tables as one."""

import dataclasses

import numpy as np
import pytest

from palate.catalogue import Catalogue, Entry
from palate.errors import DataError, SettingsError, StorageError
from palate.ratings import RatingScale
from palate.reading import read_ratings
from palate.reading.join import join_ratings
from palate.refit import refit
from palate.solvers import SGD
from palate.storage import load, save
from tables import random_table

SOLVER = SGD(factors=2, epochs=2)


def rows(ratings):
    columns = ratings.columns()
    return sorted(zip(columns["user"].tolist(), columns["item"].tolist(), columns["rating"].tolist(), strict=True))


@pytest.fixture
def path(tmp_path):
    model = SOLVER.fit(random_table())
    save(dataclasses.replace(model, catalogue=Catalogue({100: Entry("Tea", "")})), tmp_path / "m.palate")
    return tmp_path / "m.palate"


def test_new_ratings_are_added_and_overrule_old_ones(path):
    before = rows(load(path).ratings())
    user, item, _ = before[0]
    result = refit(path, [(user, item, 2.5), (999, 500, 4.0)])
    after = load(path)
    assert rows(after.ratings()) == sorted([(user, item, 2.5), (999, 500, 4.0), *before[1:]])
    assert (result.ratings, result.new) == (len(before) + 1, 2)
    assert after.solver == SOLVER.record()
    assert after.catalogue.title(100) == "Tea"
    assert after.scale == RatingScale(1, 5)
    assert len(after.recommend(999, 3)) == 3


def test_a_refit_that_cannot_be_leaves_the_file_alone(path, tmp_path):
    content = path.read_bytes()
    with pytest.raises(DataError, match="the rating 9 of item 100 is off the model's scale, 1 to 5"):
        refit(path, [(1, 100, 9.0)])
    assert path.read_bytes() == content
    with pytest.raises(StorageError, match="cannot be read"):
        refit(tmp_path / "nothing.palate", [(1, 100, 3.0)])
    save(dataclasses.replace(load(path), seen=None), path)
    with pytest.raises(DataError, match="keeps no ratings"):
        refit(path, [(1, 100, 3.0)])


def test_integers_for_a_model_of_texts_are_its_texts_and_the_model_warns(tmp_path):
    table = [(user, item, float(1 + (user * item) % 5)) for user in range(8) for item in range(6)]
    model = SOLVER.fit([(str(user) if user else "ann", item, rating) for user, item, rating in table])
    line = (
        "the user ids of the new ratings (1 row) are integers and were read as text, as the model has ids such as 'ann'"
    )
    updated = model.with_ratings([(3, 0, 5.0)])
    assert updated.users.ids.tolist() == model.users.ids.tolist()
    save(model, tmp_path / "m.palate")
    again = refit(tmp_path / "m.palate", [(3, 0, 5.0)]).model
    for one in (updated, again):
        assert [warning.startswith(line) for warning in one.training["warnings"]] == [True]


def test_tables_are_joined_in_their_order():
    first, second = read_ratings([(2, 7, 5), (1, 7, 1)]), read_ratings([(3, 9, 2), (1, 7, 4)])
    assert rows(join_ratings([first, second], duplicates="last")) == [(1, 7, 4.0), (2, 7, 5.0), (3, 9, 2.0)]
    assert rows(join_ratings([first, second], duplicates="mean")) == [(1, 7, 2.5), (2, 7, 5.0), (3, 9, 2.0)]
    with pytest.raises(
        DataError, match="1 ratings are of pairs that another table rates too, such as user 1 and item 7"
    ):
        join_ratings([first, second])
    with pytest.raises(SettingsError, match="duplicates must be"):
        join_ratings([first, second], duplicates="first")
    assert join_ratings([first]) is first


def test_ids_are_joined_as_integers_if_all_are_and_else_as_text():
    numbers, words = read_ratings([(1, 10, 5), (2, 20, 3)]), read_ratings([("ann", 10, 4), ("2", 20, 1)])
    joined = join_ratings([numbers, words], duplicates="last")
    assert joined.users.ids.tolist() == ["1", "2", "ann"]
    assert joined.items.ids.tolist() == [10, 20]
    (line,) = [note for note in joined.notes if "read as text" in note]
    assert line.startswith(
        "the user ids of table 1 (2 rows) are integers and were read as text, as table 2 has ids such"
    )
    np.testing.assert_array_equal(joined.rating, [5, 4, 1])
    assert rows(join_ratings([numbers, read_ratings([(30, 5, 2)])]))[-1] == (30, 5, 2.0)


def test_a_joined_table_is_declared_if_all_of_its_parts_are():
    one, other = read_ratings([(1, 1, 2)], scale=(1, 5)), read_ratings([(2, 1, 2)], scale=(0, 4))
    assert join_ratings([one, other]).declared_scale == RatingScale(0, 5)
    assert join_ratings([one, read_ratings([(2, 1, 2)])]).declared_scale is None
