"""Chromium, watched: whatever a page asks for or complains of is collected and expected to be nothing."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def chromium():
    """A browser; where there is none the test skips with the reason, and fails where CI=true."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        reason = "no Chromium here (Debian: apt install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium):
    """watched(path, **context) opens a file; afterwards no request, dialog, error or console error may have been."""
    contexts, seen = [], []

    def visit(path, **settings):
        context = chromium.new_context(**{"viewport": {"width": 1400, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        address = path.as_uri()
        page.on(
            "request", lambda r: r.url == address or r.url.startswith("data:") or seen.append(r.url[:200])
        )
        page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: seen.append(f"error {error}"))
        page.on("console", lambda line: line.type == "error" and seen.append(f"console {line.text}"))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not seen
