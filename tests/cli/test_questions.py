"""Commands that ask a model."""

import pytest


def test_the_questions_of_the_article(answer, model):
    printed = answer("predict", model, "--user", 5, "--item", 107)
    assert 1 <= printed["prediction"] <= 5
    assert printed["title"] == "Joke 107"
    assert printed["text"] == "Why 107?"
    best = answer("recommend", model, "--user", 5, "-n", 3)["recommendations"]
    worst = answer("recommend", model, "--user", 5, "-n", 3, "--lowest")["recommendations"]
    assert best[0]["prediction"] >= best[2]["prediction"] >= worst[2]["prediction"] >= worst[0]["prediction"]
    assert best[0]["title"] == f"Joke {best[0]['item']}"
    similar = answer("similar", model, "--item", 107, "-n", 4)["similar"]
    assert len(similar) == 4
    assert 107 not in {one["item"] for one in similar}
    assert similar[0]["similarity"] >= similar[3]["similarity"]
    assert len(answer("similar", model, "--user", 5, "-n", 2, "--by", "dot")["similar"]) == 2
    info = answer("info", model)
    assert (info["users"], info["items"], info["catalogue"], info["never_rated"]) == (60, 40, 41, 1)
    assert info["numbers"]["matrix"] == 2400


def test_everyone_gets_recommendations_in_a_file(palate, answer, model, tmp_path):
    import polars

    output, users = tmp_path / "all.parquet", tmp_path / "users.txt"
    printed = answer("recommend", model, "--all", "-n", 3, "-o", output, "--titles", "--exclude", 107)
    assert printed == {"output": str(output), "users": 60, "recommendations": 180}
    table = polars.read_parquet(output)
    one = answer("recommend", model, "--user", 5, "-n", 3, "--exclude", 107)["recommendations"]
    assert table.filter(user=5)["item"].to_list() == [best["item"] for best in one]
    assert table.filter(user=5)["score"].to_list() == [best["interest"] for best in one]
    assert table.filter(user=5)["title"].to_list() == [best["title"] for best in one]
    users.write_text("7\n\n 3\n")
    code, out, _ = palate("recommend", model, "--users", users, "-n", 2, "-o", output, "--threads", 1)
    assert (code, out.split(": ")[1]) == (0, "4 recommendations for 2 users\n")
    assert polars.read_parquet(output)["user"].to_list() == [7, 7, 3, 3]
    users.write_text("7\nzaphod\n")
    code, _, err = palate("recommend", model, "--users", users, "-o", output)
    assert (code, "user 'zaphod' is unknown" in err) == (2, True)
    assert len(polars.read_parquet(output)) == 4


def test_everyone_gets_a_csv_by_the_lower_bound_with_intervals(answer, sure, tmp_path):
    import polars

    output = tmp_path / "all.csv"
    by = ("--by", "lower-bound", "--level", 0.8)
    answer("recommend", sure, "--all", "-n", 3, "-o", output, *by)
    table = polars.read_csv(output)
    assert table.columns == ["user", "rank", "item", "score", "low", "high"]
    one = answer("recommend", sure, "--user", 5, "-n", 3, *by)["recommendations"]
    rows = table.filter(user=5)
    assert rows["item"].to_list() == [best["item"] for best in one]
    for name, key in (("score", "at_least"), ("low", "low"), ("high", "high")):
        assert rows[name].to_list() == pytest.approx([best[key] for best in one], abs=1e-4)


def test_a_new_user_is_folded_in(answer, model):
    rated = ("--rated", "100=5", "--rated", "101=1")
    printed = {one["item"] for one in answer("recommend", model, *rated, "-n", 99)["recommendations"]}
    assert printed == set(range(102, 140))
    assert 1 <= answer("predict", model, *rated, "--item", 105)["prediction"] <= 5
    reasons = answer("explain", model, *rated, "--item", 105)
    total = reasons["intercept"] + sum(part["contribution"] for part in reasons["contributions"]) + reasons["remainder"]
    assert total == pytest.approx(reasons["prediction"])


@pytest.mark.parametrize("command", ["predict", "recommend", "similar", "explain", "info"])
def test_answers_for_people(palate, model, command):
    options = {
        "predict": ["--user", 5, "--item", 107],
        "recommend": ["--user", 5, "--texts"],
        "similar": ["--item", 107],
        "explain": ["--user", 5, "--item", 107, "-n", 2],
        "info": [],
    }[command]
    code, out, _ = palate(command, model, *options)
    assert code == 0
    assert "107" in out or "Why" in out or "users × items" in out


def test_answers_say_how_sure_they_are(palate, answer, sure):
    printed = answer("predict", sure, "--user", 5, "--item", 110, "--level", 0.8)
    assert printed["low"] < printed["prediction"] < printed["high"]
    assert printed["level"] == 0.8
    _, out, _ = palate("predict", sure, "--user", "nobody", "--item", 110, "--unknown", "mean")
    assert "with 90%" in out
    assert "does not know user nobody" in out
    for by, key in (("lower-bound", "at_least"), ("chance", "drawn"), ("prediction", "prediction")):
        best = answer("recommend", sure, "--user", 5, "-n", 2, "--by", by, "--seed", 1)["recommendations"]
        assert {key, "prediction", "low", "high"} <= set(best[0])
    assert "at most" in palate("recommend", sure, "--user", 5, "--by", "lower-bound", "--lowest")[1]


def test_ask_names_what_would_tell_most(palate, answer, sure):
    someone = answer("ask", sure, "-n", 3)["questions"]
    known = answer("ask", sure, "-n", 3, "--user", 5)["questions"]
    assert len(someone) == 3
    assert 1 > someone[0]["tells"] > known[0]["tells"] > 0
    assert "%" in palate("ask", sure, "--rated", "110=4")[1]


def test_what_a_model_cannot_tell_is_refused(palate, folder, model):
    for command in (["ask", model], ["predict", model, "--user", "5", "--item", "110", "--level", "0.8"]):
        code, _, err = palate(*command)
        assert code == 2
        assert "does not know how sure it is" in err
