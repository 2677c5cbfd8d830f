"""The page as a reader finds it: wide and narrow, light and dark, with and without a script."""

from __future__ import annotations

import itertools

import pytest
import samples

from reportgen.report import Tokens


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return samples.report().save(tmp_path_factory.mktemp("rich") / "report.html")


def test_it_opens_from_a_file_and_asks_for_nothing(rich, watched):
    assert watched(rich).title().startswith("Residual network")


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_sticks_out_at_the_side(rich, watched, width):
    page = watched(rich, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_link_within_the_page_leads_somewhere_and_no_id_is_there_twice(rich, watched):
    page = watched(rich)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(part => part.id)")
    assert len(set(ids)) == len(ids)
    links = page.evaluate(
        "[...document.querySelectorAll('a')].map(a => a.getAttribute('href') || a.getAttribute('xlink:href'))"
    )
    assert len(links) > 20
    assert {link[1:] for link in links} <= set(ids)
    assert all(link.startswith("#") for link in links)


def test_headings_go_down_one_step_at_a_time_and_there_is_one_h1(rich, watched):
    levels = watched(rich).evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_landmarks_and_the_language_are_there_and_every_picture_has_words(rich, watched):
    page = watched(rich)
    for landmark in ("main", "nav", "header"):
        assert page.locator(landmark).count() >= 1
    assert page.evaluate("document.documentElement.lang") == "en"
    pictures = page.evaluate(
        """[...document.querySelectorAll('img')].map(
            i => [i.alt, i.complete && i.naturalWidth > 0, Boolean(i.closest('.chooser button'))])"""
    )
    assert len(pictures) > 10
    assert all(alt.strip() for alt, _, beside in pictures if not beside)
    assert all(shown for _, shown, _ in pictures)
    buttons = page.locator(".chooser button")  # their pictures stand beside their words
    assert all(text.strip() for text in buttons.all_inner_texts())


def test_no_markup_carries_a_style_or_a_handler(rich, watched):
    odd = """[...document.querySelectorAll('*')].flatMap(part => [...part.attributes].map(a => a.name))
        .filter(name => name === 'style' || name.startsWith('on'))"""
    assert watched(rich, java_script_enabled=True).evaluate(odd) == []


def test_everything_can_be_read_without_a_script(rich, watched, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(rich.as_uri())
    for section in samples.report().sections:
        assert page.locator(f"#{section.name}").first.is_visible(), section.name
    rows = page.locator("table.tree tbody tr")
    assert rows.count() > 10
    assert all(rows.nth(i).is_visible() for i in range(rows.count()))
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_systems_setting_and_the_switch_turns_it(rich, watched, scheme):
    page = watched(rich, color_scheme=scheme)

    def brightness():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3]) / 3

    before = brightness()
    assert (before > 128) == (scheme == "light")
    page.locator("button").first.click()
    assert (brightness() > 128) != (before > 128)


CONTRAST = """
() => {
  const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const ground = part => {
    for (; part; part = part.parentElement) {
      const c = parse(getComputedStyle(part).backgroundColor);
      if (c.length < 4 || c[3] > 0.99) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const part = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !part.checkVisibility() || part.closest('svg,script')) continue;
    const a = light(parse(getComputedStyle(part).color)), b = light(ground(part));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([ratio.toFixed(2), part.className, walk.currentNode.textContent.slice(0, 40)]);
  }
  return poor;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_aa_asks_for(rich, watched, scheme):
    """Relative luminance and ratio as WCAG 2.2 defines them; 4.5 for text."""
    assert watched(rich, color_scheme=scheme).evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_on_every_step_of_their_scale(tmp_path, watched, scheme):
    steps = range(-5, 6)
    scale = Tokens(tokens=[f"step {at}" for at in steps], weights=list(steps), joined=True)
    sheet = watched(samples.one(scale).save(tmp_path / "steps.html"), color_scheme=scheme)
    assert sheet.locator(".words span").count() == 10
    assert sheet.evaluate(CONTRAST) == []
    grounds = sheet.evaluate(
        "[...document.querySelectorAll('.words span')].map(one => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(grounds)) == 10


def test_letters_of_one_word_join_and_words_of_one_script_keep_their_order(tmp_path, watched):
    """A text in pieces is drawn like the same text in one: pieces that were set apart would turn it round."""
    text = ("mixed", " שלום", " לך", " היום", " ", "مر", "حبا", " بال", "عالم")
    widths = [
        watched(
            samples.one(Tokens(tokens=pieces, weights=[1.0] * len(pieces), joined=True)).save(
                tmp_path / f"{len(pieces)}.html"
            )
        )
        .locator(".words")
        .evaluate(
            """words => {
              const range = document.createRange();
              const walk = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
              const places = [];
              while (walk.nextNode()) for (let at = 0; at < walk.currentNode.length; at += 1) {
                range.setStart(walk.currentNode, at);
                range.setEnd(walk.currentNode, at + 1);
                places.push(Math.round(range.getBoundingClientRect().left));
              }
              return places;
            }"""
        )
        for pieces in (text, ("".join(text),))
    ]
    assert len(widths[0]) == len("".join(text))
    assert all(abs(one - other) <= 2 for one, other in zip(*widths, strict=True))
