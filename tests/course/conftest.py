"""Fixtures of the course: Chromium, and a page with the interactive parts alone."""

import shutil
from pathlib import Path

import pytest

from tinytrain.course.page import build

BARE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<title>The interactive parts alone</title>
<link rel="icon" href="data:,">
<style>{{ style | safe }}</style>
<main>
{% include "live/live.html" %}
</main>
</html>"""


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium here to look at the page with")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_file(browser):
    """`open_file(path)` opens a page; nothing may be fetched or be said on its console."""
    contexts, messages, opened = [], [], []

    def open_file(path, fragment="", width=1280, **context):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **context))
        page = contexts[-1].new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: messages.append(request.url))
        opened.append(path.as_uri())
        page.goto(path.as_uri() + fragment)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert [line for line in messages if not line.startswith((*opened, "blob:", "data:"))] == []


@pytest.fixture
def open_page(open_file, tmp_path):
    """`open_page(live)` opens a page of the interactive parts alone, under their policy."""

    def open_page(live, width=1280, fragment="", **context):
        styles = [Path(build.__file__).parent / name for name in build.STYLES]
        style = "".join(path.read_text() for path in styles)
        bare = build.TEMPLATES.from_string(BARE)
        scripts = build.scripts()
        policy = build.policy(scripts.values())
        text = bare.render(live=live, live_scripts=scripts, style=style, policy=policy)
        path = tmp_path / f"live{len([*tmp_path.iterdir()])}.html"
        path.write_text(text)
        return open_file(path, fragment, width, **context)

    return open_page
