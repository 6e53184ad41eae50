"""A Chromium, a page of a running service in it, and what is done on that page by hand."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import palate
from serving import PATIENCE, PLAIN

BAND = 0.5  # seconds until a list that moves has come to rest
# The address of each screen, and what it contains when it is drawn.
SCREENS = {
    "taste": ("", ".question, .failed"),
    "item": ("item/5", ".item"),
    "search": ("search?q=the", ".hits"),
    "map": ("map", ".map"),
    "model": ("model", ".facts"),
    "mine": ("mine", ".own, .state"),
}


def chromium():
    """Return the path of Chromium, or None."""
    named = os.environ.get("PALATE_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


def sample_model(path, **more):
    """Fit the sample with few sweeps: the page needs a model, not a good one."""
    ratings, catalogue = palate.datasets.load("sample")
    import dataclasses

    model = palate.BayesianMF(**{"factors": 6, "sweeps": 40, "seed": 1, **PLAIN, **more}).fit(ratings)
    palate.save(dataclasses.replace(model, catalogue=catalogue), path)


@contextmanager
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chrome = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield chrome
        chrome.close()


@contextmanager
def opened(chrome, url, **context):
    """Yield the page of a new visitor; `page.errors` collects the errors that it reports."""
    visitor = chrome.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
    visitor.set_default_timeout(1000 * PATIENCE)
    page = visitor.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.base = url
    page.goto(url)
    yield page
    visitor.close()


def go(page, screen):
    path, ready = SCREENS[screen]
    page.goto(f"{page.base}/#/{path}")
    page.locator(ready).first.wait_for()


def rest(page):
    """Wait until nothing moves or fades any more, except what moves for ever."""
    page.evaluate("""() => Promise.all(
        document.getAnimations()
            .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
            .map((one) => one.finished.catch(() => {})))""")


def rate(page, value):
    """Rate the item that is asked about, and wait for the next question."""
    chooser = page.locator(".question .rater [aria-label^='Your rating of']")
    before = chooser.get_attribute("aria-label")
    if page.locator(".question .values").count():
        page.locator(".question .values label").nth(page.evaluate(PLACE, value)).click()
    else:
        chooser.fill(str(value))
        page.locator(".question .strong").click()
    page.wait_for_function(
        "was => document.querySelector('.question .rater [aria-label^=\"Your rating of\"]')?.ariaLabel !== was",
        arg=before,
    )


PLACE = (
    "value => [...document.querySelectorAll('.question .values input')].findIndex(one => Number(one.value) === value)"
)


def picks(page):
    return page.locator(".picks h3").all_inner_texts()
