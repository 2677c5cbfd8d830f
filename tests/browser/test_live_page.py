"""The page of a training that is still going reads itself anew, and the reader stays where they are."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

import reportgen
from reportgen import files

EVERY = 0.4  # seconds


@pytest.fixture
def live(tmp_path, watched):
    """live.write(count, refresh) swaps in the page of a log with so many points; live.visit() opens it."""
    log, page = tmp_path / "log.jsonl", tmp_path / "page.html"

    class Live:
        def write(self, count, refresh=EVERY):
            rows = [
                {
                    "step": at,
                    "loss/train": 2 / (1 + at) + 0.3 * (at % 7),
                    "loss/val": 2 / (1 + at),
                    "accuracy/val": at / (1 + at),
                    "wall_time": 1.7e9 + at,
                }
                for at in range(count)
            ]
            log.write_text("".join(json.dumps(row) + "\n" for row in rows))
            report = reportgen.collect(logs=log, sections=["training"], title="</title><script>x</script>")
            files.replace(page, report.model_copy(update={"refresh": refresh}).encode(page))

        def visit(self, **settings):
            return watched(page, **settings)

    return Live()


def points(page):
    row = page.locator("#training--totals").get_by_text("Points", exact=True).locator("xpath=..")
    return int(re.sub(r"\D", "", row.inner_text()))


def done(page, script):
    """Do this in the page, which may be read anew in that moment: a bare evaluate would then wait for ever."""
    page.wait_for_function(f"() => {{ {script}; return true; }}")


def seen(page, count):
    """Wait until the page shows a log of so many steps."""
    expect(page.locator("#training--totals")).to_contain_text(f"{3 * count:,}", timeout=20_000)


def test_new_points_are_seen_without_the_readers_doing(live):
    live.write(200)
    page = live.visit()
    assert points(page) == 600
    live.write(300)
    seen(page, 300)
    assert page.locator(".again button").get_attribute("aria-pressed") == "true"


def test_place_folds_theme_and_a_charts_view_are_kept(live):
    live.write(200, refresh=5)  # time enough to set all this
    page = live.visit()
    plot = page.locator("#training--loss .plot")
    plot.scroll_into_view_if_needed()
    tools = page.locator("#training--loss .tools").first
    tools.get_by_role("button", name="Log", exact=True).click()
    before = tools.get_by_role("button", name="Log", exact=True).get_attribute("aria-pressed")
    tools.locator("input[type=range]").evaluate(
        "s => { s.value = 0.9; s.dispatchEvent(new Event('input')); }"
    )
    plot.locator(".legend button", has_text="loss/val").click()
    page.locator("#training--sources").scroll_into_view_if_needed()
    page.locator("#training--series summary").first.click()
    page.locator(".theme").click()
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.wait_for_timeout(100)
    place = page.evaluate("document.querySelector('#training--sources').getBoundingClientRect().top")
    live.write(300, refresh=60)  # not again while it is looked at
    seen(page, 300)
    expect(page.locator("#training--loss .plot.live")).to_be_visible()
    expect(tools.locator("output")).to_have_text("0.90")
    assert tools.get_by_role("button", name="Log", exact=True).get_attribute("aria-pressed") == before
    hidden = plot.locator(".legend button[aria-pressed=false]")
    assert [one.inner_text() for one in hidden.all()] == ["loss/val"]
    assert page.locator("#training--series").evaluate("part => part.open")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.wait_for_timeout(500)
    after = page.evaluate("document.querySelector('#training--sources').getBoundingClientRect().top")
    assert abs(after - place) < 40


def test_a_reader_who_types_or_has_selected_text_is_not_disturbed(live):
    live.write(200)
    page = live.visit()
    done(page, "document.getSelection().selectAllChildren(document.querySelector('h1'))")
    live.write(300)
    page.wait_for_timeout(2500)
    assert points(page) == 600
    done(page, "document.getSelection().removeAllRanges()")
    seen(page, 300)


def test_what_is_paused_stays_so_until_it_is_resumed(live):
    live.write(200)
    page = live.visit()
    page.locator(".again button").click()
    assert page.locator(".again").inner_text().startswith("Live paused")
    live.write(300)
    page.wait_for_timeout(2500)
    assert points(page) == 600
    page.locator(".again button").click()
    seen(page, 300)


def test_the_last_page_looks_no_further_and_keeps_the_place(live):
    live.write(200)
    page = live.visit()
    page.locator("#training--series summary").first.click()
    live.write(300, refresh=0)
    seen(page, 300)
    assert page.locator(".again").count() == 0
    assert page.locator("#training--series").evaluate("part => part.open")
    live.write(400, refresh=0)
    page.wait_for_timeout(1500)
    assert points(page) == 900


def test_a_page_that_stays_as_it_is_is_given_up(live):
    live.write(200)
    page = live.visit()
    # As if it had been read anew 59 times already.
    page.add_init_script("""
        const { state } = history;
        if (state && state.reportgen) {
            state.reportgen.looks = 59;
            history.replaceState(state, "");
        }
    """)
    expect(page.locator(".again")).to_contain_text("no longer updated", timeout=20_000)
    live.write(300)
    page.wait_for_timeout(1500)
    assert points(page) == 600
    page.locator(".again button").click()
    seen(page, 300)


def test_without_javascript_the_page_is_read_anew_by_its_head_alone(live, tmp_path):
    live.write(50)
    text = (tmp_path / "page.html").read_text()
    assert '<noscript><meta http-equiv="refresh" content="1"></noscript>' in text
    live.write(50, refresh=0)
    text = (tmp_path / "page.html").read_text()
    assert 'http-equiv="refresh"' not in text
    assert "data-refresh" not in text.split("<head>")[0]


def test_on_paper_nothing_says_that_it_is_live(live):
    live.write(200, refresh=60)
    page = live.visit()
    page.emulate_media(media="print")
    assert not page.locator(".again").is_visible()
