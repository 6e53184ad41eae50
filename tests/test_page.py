"""The page in a real browser: a newcomer's way through it, keyboard, axe, strangers' texts, a server that goes away."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

import pytest

import palate
from browser.web import SCREENS, browser, chromium, go, opened, picks, rate, rest, sample_model
from palate.catalogue import Entry
from serving import PLAIN, Served, environment

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium: apt-get install chromium, or PALATE_CHROMIUM")

HOSTILE = [
    "<script>window.pwned = 1</script>",
    '<img src=x onerror="window.pwned = 1">',
    '"><svg onload=window.pwned=1>',
    "</title><script>window.pwned = 1</script>",
    "javascript:window.pwned=1",
    "\u202eright to left",
    "a" * 400,
    "<b>bold</b> &amp; ${7*7} {{7*7}}",
]


@pytest.fixture(scope="module")
def chrome():
    with browser() as launched:
        yield launched


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "model.palate"
    sample_model(path)
    return path


@pytest.fixture(scope="module")
def server(sample):
    with Served(sample.parent) as served:
        yield served


@pytest.fixture
def page(chrome, server):
    with opened(chrome, server.url) as shown:
        shown.locator(".question").wait_for()
        yield shown
        assert shown.errors == []


def serious(page):
    from axe_playwright_python.sync_playwright import Axe

    rest(page)  # colours are measured after they have faded in
    violations = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["target"] for node in one["nodes"]][:3])
        for one in violations
        if one["impact"] in {"serious", "critical"}
    ]


def test_five_ratings_change_the_list_and_can_be_deleted(page):
    assert page.locator(".right h2").inner_text() == "Items that most people like"
    before = picks(page)
    for value in (9, -8, 7, -6, 8):
        rate(page, value)
    assert "From 5 ratings" in page.locator(".right > p").first.inner_text()
    assert picks(page) != before
    assert page.locator(".because").first.inner_text().startswith("because you")
    assert page.locator(".picks .band").count() == len(picks(page)) == 10
    cookie = next(one for one in page.context.cookies(page.base + "/v1/me"))
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"

    go(page, "mine")
    assert page.locator(".own li").count() == 5
    page.locator(".own button").first.click()
    page.wait_for_function("() => document.querySelectorAll('.own li').length === 4")
    page.reload()
    page.locator(".own").wait_for()
    assert page.locator(".own li").count() == 4
    page.locator("button.danger").click()
    page.locator("dialog .strong").click()
    page.get_by_text("Everything is deleted").wait_for()
    assert page.context.cookies(page.base + "/v1/me") == []
    assert page.request.get(page.base + "/v1/me").json() == {"known": False, "ratings": 0}


def test_what_is_not_known_is_skipped_and_a_rating_undone(page):
    asked = page.locator(".question h2").inner_text()
    page.get_by_role("button", name="skip").click()
    page.wait_for_function("was => document.querySelector('.question h2').innerText !== was", arg=asked)
    page.reload()
    assert page.locator(".question h2").inner_text() != asked
    rate(page, 5)
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Items that most people like").wait_for()
    assert page.request.get(page.base + "/v1/me").json()["ratings"] == 0


def test_an_item_is_read_rated_and_explained(page):
    rate(page, 9)
    title = picks(page)[0]
    page.locator(".picks h3 a").first.click()
    page.locator(".item").wait_for()
    assert page.locator("h1").inner_text() == title
    assert page.title() == f"{title} · palate"
    assert "With 80% chance between" in page.locator(".box").inner_text()
    assert page.locator(".similar li").count() == 8
    assert page.locator(".why li").count() >= 1
    page.locator(".box input").fill("-7")
    page.locator(".box .strong").click()
    page.get_by_text("You rated it −7").wait_for()
    page.reload()
    page.get_by_text("You rated it −7").wait_for()
    page.get_by_role("button", name="Delete my rating").click()
    page.get_by_text("Your rating", exact=True).wait_for()


def test_items_are_found_and_paged(page):
    go(page, "search")
    page.get_by_role("searchbox").fill("")
    page.locator("main p", has_text="120 items, those rated most first").wait_for()
    page.get_by_role("link", name="Next").click()
    page.get_by_text("Page 2 of 6").wait_for()
    assert page.url.endswith("?page=2")
    page.get_by_role("searchbox").fill("light bulb")
    page.wait_for_function("() => location.hash.endsWith('q=light+bulb')")
    texts = page.locator(".hits li").all_inner_texts()
    assert texts
    assert all("light" in one.lower() for one in texts if "\n" in one)
    page.get_by_role("searchbox").fill("zzzz")
    page.get_by_text("Nothing holds all these words").wait_for()


def test_the_map_is_read_by_hovering_and_by_its_list(page):
    go(page, "map")
    assert page.locator(".map g").count() == 117
    page.locator(".map g").nth(60).hover(force=True)
    first = page.locator(".reading h2").inner_text()
    page.locator("summary").first.click()
    link = page.locator(".kinds a").first
    link.focus()
    assert page.locator(".reading h2").inner_text() == link.inner_text() != first
    assert page.locator(".faint").count() > 0


def test_the_model_tells_sizes_and_draws_its_charts(page):
    go(page, "model")
    assert "75,135" in page.locator(".facts").inner_text()
    assert page.locator("svg.chart").count() >= 2
    for chart in page.locator("svg.chart").all():
        assert chart.get_attribute("aria-label")
    page.locator(".numbers summary").first.click()
    assert page.locator("td").first.is_visible()


def test_all_is_done_by_keyboard_alone(page):
    def reach(what, most=40):
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("what => document.activeElement.matches(what)", what):
                return
        raise AssertionError(f"{what} cannot be reached")

    reach(".skip", 1)
    reach(".question input", 12)
    before = page.evaluate("document.activeElement.ariaLabel")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.ariaValueText") == "+3"
    page.keyboard.press("Enter")
    page.wait_for_function("was => document.querySelector('.question input')?.ariaLabel !== was", arg=before)
    assert page.evaluate("document.activeElement.matches('.question input')")  # goes on where it was
    reach(".picks h3 a")
    page.keyboard.press("Enter")
    page.locator(".item").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_serious(chrome, server, scheme, width):
    with opened(chrome, server.url, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        page.locator(".question").wait_for()
        rate(page, 6)
        for screen in SCREENS:
            go(page, screen)
            if screen == "map":
                page.locator("summary").first.click()
            assert serious(page) == [], screen
            assert page.evaluate("document.documentElement.scrollWidth") == width, screen
        page.locator("button.danger").click()
        assert serious(page) == [], "dialog"


def test_texts_of_strangers_are_shown_and_run_nothing(chrome, tmp_path):
    ratings = palate.read_ratings(
        [(user, item, 1 + (user * item) % 5) for user in range(30) for item in range(len(HOSTILE))], scale=(1, 5)
    )
    model = palate.BayesianMF(factors=2, sweeps=20, seed=1, **PLAIN).fit(ratings)
    entries = {item: Entry(text, f"{text}\n{text}") for item, text in enumerate(HOSTILE)}
    palate.save(dataclasses.replace(model, catalogue=palate.Catalogue(entries)), tmp_path / "model.palate")
    with Served(tmp_path) as served, opened(chrome, served.url, viewport={"width": 360, "height": 740}) as page:
        page.locator(".question").wait_for()
        rate(page, 4)
        go(page, "mine")
        for item, text in enumerate(HOSTILE):
            page.goto(f"{page.base}/#/item/{item}")
            page.locator("#main .item .text", has_text=text).wait_for()
        for path, content in (("map", ".map"), ("search", ".hits"), ("", ".question, .state")):
            page.goto(f"{page.base}/#/{path}")
            page.locator(content).first.wait_for()
            rest(page)
            assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.locator("main script, main img, main b").count() == 0
        assert page.evaluate("window.pwned") is None
        assert page.errors == []


def test_a_server_that_goes_away_is_said_and_waited_for(chrome, sample, tmp_path):
    shutil.copy(sample, tmp_path / "model.palate")
    with Served(tmp_path) as served, opened(chrome, served.url) as page:
        page.locator(".question").wait_for()
        rate(page, 6)
        served.kill()
        page.locator(".question input").fill("4")
        page.locator(".question .strong").click()
        page.get_by_text("Not saved yet").wait_for()
        again = Served(tmp_path, port=served.port)
        with again:
            page.get_by_text("From 2 ratings").wait_for()  # was sent by itself
            go(page, "mine")
            assert page.locator(".own li").count() == 2
            again.kill()
            page.goto(f"{page.base}/#/map")
            page.get_by_role("heading", name="The server cannot be reached").wait_for()
            page.get_by_role("button", name="Try again now").dispatch_event("click")
            with Served(tmp_path, port=served.port):
                page.locator(".map").wait_for()  # it tries again by itself, too


def test_a_model_without_certainty_scale_or_catalogue_still_serves(chrome, tmp_path):
    ratings = palate.datasets.load("sample")[0]
    palate.save(palate.ImplicitALS(factors=4, sweeps=3).fit(ratings), tmp_path / "model.palate")
    with Served(tmp_path) as served, opened(chrome, served.url) as page:
        page.locator(".question").wait_for()
        asked = page.locator(".question h2").inner_text()
        assert asked.startswith("Item ")
        page.get_by_role("button", name="I like it").click()
        page.get_by_text("From 1 rating").wait_for()
        assert page.locator(".because").first.inner_text().startswith(f"because you liked “{asked}”")
        assert page.locator(".ruler, input").count() == 0
        for screen in ("map", "model", "mine"):
            go(page, screen)
        page.goto(f"{page.base}/#/item/{asked.removeprefix('Item ')}")
        page.locator(".item").wait_for()
        assert page.errors == []


def test_an_item_that_nobody_rated_can_be_rated(page):
    rated = {one["item"] for one in page.request.get(f"{page.base}/v1/map?n=5000").json()["items"]}
    item = next(one for one in range(1, 200) if one not in rated and page.request.get(f"{page.base}/v1/items/{one}").ok)
    page.goto(f"{page.base}/#/item/{item}")
    page.get_by_text("your rating counts from the next fit on").wait_for()
    page.locator(".box input").fill("7")
    page.locator(".box .strong").click()
    page.get_by_text("You rated it +7").wait_for()
    page.reload()
    page.get_by_text("You rated it +7").wait_for()
    page.get_by_role("button", name="Delete my rating").click()
    page.get_by_text("Your rating", exact=True).wait_for()


def test_the_menu_marks_where_one_is_and_no_address_shows_another_page(page):
    def marked():
        return page.locator("nav [aria-current]").evaluate_all(
            "all => all.map(one => [one.dataset.page, one.ariaCurrent])"
        )

    assert marked() == [["", "page"]]
    go(page, "item")
    assert marked() == [["search", "true"]]
    for wrong in ("nowhere", "constructor", "models"):
        page.goto(f"{page.base}/#/{wrong}")
        page.get_by_role("heading", name="There is no such page").wait_for()
        assert page.title().startswith("There is no such page")
        assert marked() == []
    page.get_by_role("link", name="To the first page").click()
    page.locator(".question").wait_for()


def test_the_model_is_shown_beside_baselines_and_the_api_is_named(chrome, tmp_path):
    ratings, _ = palate.datasets.load("sample")
    train, test = palate.holdout(ratings, 0.1)
    model = palate.BayesianMF(factors=2, sweeps=10, seed=1, **PLAIN).fit(train)
    errors = palate.evaluate(model, test).as_dict()
    path = tmp_path / "model.palate"
    palate.save(dataclasses.replace(model, training={**model.training, "holdout": errors}), path)
    with Served(tmp_path) as served, opened(chrome, served.url) as page:
        go(page, "model")
        named = page.locator(".bars li").evaluate_all(
            "all => all.map(one => [...one.children].map(part => part.innerText))"
        )
        expected = {"this model": errors["rmse"]} | {
            name: one["rmse"] for name, one in errors["baselines"].items() if "rmse" in one
        }
        assert {name: value for name, _, value in named} == {name: f"{value:.3f}" for name, value in expected.items()}
        assert len(named) > 2
        values = [float(value) for _, _, value in named]
        assert values == sorted(values)
        page.get_by_role("link", name="its reference").click()
        page.locator("#recommend").wait_for()
        document = page.request.get(f"{page.base}/v1/openapi.json").json()
        assert page.locator(".operation").count() == sum(map(len, document["paths"].values()))
        page.locator("#recommend summary").click()
        assert "fallback" in page.locator("#recommend").inner_text()
        assert serious(page) == []
        assert page.errors == []


@pytest.mark.parametrize(("status", "title"), [(503, "The store does not answer"), (429, "Too many requests")])
def test_a_busy_server_is_waited_for(page, status, title):
    left = [2]

    def answer(route):
        left[0] -= 1
        if left[0] < 0:
            return route.continue_()
        body = f'{{"title": "{title}", "status": {status}, "detail": "wait"}}'
        return route.fulfill(status=status, body=body, headers={"Retry-After": "1"})

    page.route("**/v1/model/quality", answer)
    page.goto(f"{page.base}/#/model")
    page.get_by_role("heading", name=title).wait_for()
    page.locator(".facts").wait_for()
    page.errors.clear()  # the browser reports both answers


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A service of films that are rated from 1 to 5, and lists of which know choices, too."""
    import numpy as np

    folder, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(1)
    rows, halves = [], np.repeat([1.0, -1.0], 20)
    for user in range(150):
        weights = np.exp(rng.choice([0.75, -0.75]) * halves)
        chosen = rng.choice(40, 15, replace=False, p=weights / weights.sum())
        noise = rng.normal(scale=0.5, size=15)
        values = np.clip(np.round(3 + 1.5 * np.sign(weights[0] - 1) * halves[chosen] + noise), 1, 5)
        rows += [(user, item, value) for item, value in zip(chosen.tolist(), values.tolist(), strict=True)]
    path = folder / "films.csv"
    path.write_text("".join(f"{user},{item},{rating}\n" for user, item, rating in rows))
    (folder / "titles.csv").write_text("item,title\n" + "".join(f"{item},Film of {item}\n" for item in range(40)))
    command = [sys.executable, "-m", "palate", "fit", path, "-o", folder / "model.palate", "--choices", "ease"]
    command += ["--items", folder / "titles.csv", "--sweeps", "40", "--scale", "1", "5", "-q"]
    command += ["--no-user-noise", "--no-item-noise", "--no-user-sets", "--no-item-sets"]
    subprocess.run(command, check=True, capture_output=True, env=environment())
    with Served(folder, "--title", "Film night", "--noun", "film/films", "--intro", "Tell us what you saw.") as served:
        yield served


def test_few_values_are_stars_and_the_owner_names_the_page(chrome, films):
    with opened(chrome, films.url) as page:
        page.locator(".question").wait_for()
        assert page.locator("h1").inner_text().replace("\n", " ") == "Which films will you like?"
        assert page.locator(".mark").inner_text() == "Film night"
        assert "Tell us what you saw." in page.locator(".lead").inner_text()
        assert page.locator(".question .stars label").count() == 5
        assert page.locator("input[type=range]").count() == 0
        for value in (5, 1, 4, 2):
            rate(page, value)
        assert page.request.get(f"{page.base}/v1/me/ratings").json()["ratings"][0]["rating"] in (1, 2, 4, 5)
        assert "4 ratings" in page.locator(".right > p").first.inner_text()
        reasons = page.locator(".because").all_inner_texts()
        assert all(reasons.count(one) <= 3 for one in reasons)
        assert any(one.startswith("people who chose") for one in reasons)
        go(page, "mine")
        assert page.locator(".own .stars").count() == 4
        page.locator(".own .stars").first.locator("label").nth(2).click()
        page.get_by_text("Saved.").wait_for()
        assert serious(page) == []
        assert page.errors == []


def test_stars_are_chosen_by_the_arrow_keys_and_sent_by_enter(chrome, films):
    with opened(chrome, films.url) as page:
        page.locator(".question").wait_for()
        before = page.locator(".question .stars").get_attribute("aria-label")
        page.locator(".question .stars input").first.focus()
        page.keyboard.press("Space")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert page.locator(".question .strong").inner_text() == "Rate 4\u00a0★"
        assert page.request.get(f"{page.base}/v1/me").json()["ratings"] == 0
        page.keyboard.press("Enter")
        page.wait_for_function("was => document.querySelector('.question .stars')?.ariaLabel !== was", arg=before)
        assert page.request.get(f"{page.base}/v1/me/ratings").json()["ratings"][0]["rating"] == 4


def test_kinds_are_named_by_titles_on_the_map_and_the_map_is_zoomed(chrome, films):
    with opened(chrome, films.url) as page:
        go(page, "map")
        assert page.locator(".map .label").count() > 1
        assert all(one.startswith("Film of ") for one in page.locator(".map .label").all_text_contents())
        whole = page.locator(".map").get_attribute("viewBox")
        page.get_by_role("button", name="Zoom in").click()
        assert page.locator(".map").get_attribute("viewBox") != whole
        page.get_by_role("button", name="Show the whole map").click()
        assert page.locator(".map").get_attribute("viewBox") == whole
        xs = [one["x"] for one in page.request.get(f"{page.base}/v1/map").json()["items"]]
        assert sum(x < 0 for x in xs) == len(xs) // 2  # no half is empty
