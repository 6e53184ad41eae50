"""What people are asked: it must tell something, and they must be able to answer."""

import dataclasses

import numpy as np
import pytest

from palate import BayesianMF
from palate.model.ask import answer_chances
from palate.model.choice import PopularityHead
from palate.model.interest import ChanceCalibration, Interest
from palate.reading import read_ratings
from tables import random_table

pytestmark = pytest.mark.usefixtures("short_pilots")

QUICK = BayesianMF(factors=4, sweeps=20, user_noise=False, item_noise=False, user_sets=False, item_sets=False)


@pytest.fixture(scope="module")
def model():
    return QUICK.fit(random_table())


def test_the_chance_to_answer_is_the_share_of_those_who_rated_the_item(model):
    someone = model.fold_in({})
    np.testing.assert_allclose(answer_chances(model, someone, someone), model.item_counts / 60, rtol=1e-6)
    bare = dataclasses.replace(model, seen=None)
    assert (answer_chances(bare, someone, someone) == 1).all()


def test_the_choice_head_knows_what_people_like_this_user_choose(model):
    head = PopularityHead(np.linspace(0.1, 0.9, 40, dtype=np.float32))
    interest = Interest(ChanceCalibration(0.0, 1.0, 0.0, 0.0), 1.0, 3.5)
    double = dataclasses.replace(model, choice=head, interest=interest)
    profile = double.fold_in({100: 4.0})
    np.testing.assert_allclose(answer_chances(double, profile, profile), double.choice_chances(profile))
    first, second = (one.ask(profile, 40) for one in (model, double))
    assert [one.id for one in first] != [one.id for one in second]


def test_nobody_is_asked_what_hardly_anybody_knows(data):
    model = BayesianMF(factors=8, sweeps=30).fit(read_ratings(data / "ml-100k" / "u1.base"))
    asked = model.ask(n=10)
    counts = [int(model.item_counts[model.items.require(one.id)]) for one in asked]
    assert min(counts) >= len(model.users) / 10
