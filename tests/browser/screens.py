"""Write every screen, wide, on a phone and in the dark, to a folder: python tests/browser/screens.py FOLDER [MODEL [FLAGS]]."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.web import BAND, SCREENS, browser, go, opened, rate, sample_model
from serving import Served

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
LOOKS = {
    "wide": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True},
}


def shoot(page, path):
    page.mouse.move(0, 0)  # nothing is pointed at
    page.wait_for_timeout(1000 * BAND)
    page.screenshot(path=str(path), full_page=True)
    print(path)


def every_screen(page, folder, look):
    shoot(page, folder / f"{look}-newcomer.png")
    for place in (4, 1, 3):
        rate(page, place if page.locator(".question .stars").count() else 4 * place - 8)
    for screen in SCREENS:
        go(page, screen)
        if screen == "map":
            page.locator("summary").first.click()
            page.locator(".kinds a").first.focus()
        shoot(page, folder / f"{look}-{screen}.png")


def manual(page, folder):
    """Write the picture that the manual shows: docs/page.png."""
    for value in (6, -4, 3, 8):
        rate(page, value)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000 * BAND)
    page.screenshot(path=str(folder / "manual.png"))


def unlucky(page, folder, look):
    """Show what is seen when something is missing."""
    page.goto(f"{page.base}/#/item/nowhere")
    page.locator(".failed").wait_for()
    shoot(page, folder / f"{look}-unknown.png")
    page.goto(f"{page.base}/#/search?q=zzzz")
    page.locator(".state").wait_for()
    shoot(page, folder / f"{look}-nothing.png")
    page.context.request.delete(f"{page.base}/v1/me/ratings", headers={"X-Palate": "1"})
    go(page, "mine")
    shoot(page, folder / f"{look}-forgotten.png")
    page.route("**/v1/**", lambda route: None)
    page.goto(f"{page.base}/#/model")
    shoot(page, folder / f"{look}-slow.png")
    page.unroute_all(behavior="ignoreErrors")
    page.route("**/v1/**", lambda route: route.abort())
    page.goto(f"{page.base}/#/map")
    page.locator(".failed").wait_for()
    shoot(page, folder / f"{look}-away.png")


def main(folder, model=None, *flags):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.palate"
        if model:
            shutil.copy(model, path)
        else:
            sample_model(path)
            flags = ("--title", "Joke taste", "--noun", "joke/jokes")
        with Served(place, *flags) as server, browser() as found:
            for look, context in LOOKS.items():
                with opened(found, server.url, **context) as page:
                    page.locator(".question").wait_for()
                    every_screen(page, folder, look)
                    unlucky(page, folder, look)
            if not model:
                with opened(
                    found, server.url, viewport={"width": 1280, "height": 1000}, device_scale_factor=0.75
                ) as page:
                    page.locator(".question").wait_for()
                    manual(page, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
