"""A real Chromium, driven by Playwright.

Whatever a test does, its page must end without a script error, a dialog, a missing file, or a request to
another host: see `watched`.
"""

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.client.cards import opened
from tests.service_process import running_service

HOSTS = {'127.0.0.1', 'localhost'}
CHROMIUM_OPTIONS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
]

expect.set_options(timeout=15_000)


@pytest.fixture(scope='session')
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    chromium = shutil.which('chromium')
    if chromium is None:
        pytest.fail('Chromium is missing; on Debian: apt-get install chromium', pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on a desk."""
    with watched(browser, viewport={'width': 1100, 'height': 800}) as page:
        yield page


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page on a small phone."""
    with watched(browser, viewport={'width': 360, 'height': 740}, is_mobile=True, has_touch=True) as page:
        yield page


@contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of its own, of which nothing may go wrong but calls of a model, which tests make fail."""
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []

    def on_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != 'data' and address.hostname not in HOSTS:
            wrong.append(f'request to another host: {request.url}')

    def on_response(response: Response) -> None:
        if response.status >= 400 and '/v1/' not in response.url:
            wrong.append(f'status {response.status}: {response.url}')

    def on_console(message: ConsoleMessage) -> None:
        # A failed request is seen above.
        if message.type == 'error' and not message.text.startswith('Failed to load resource'):
            wrong.append(f'console: {message.text}')

    def on_dialog(dialog: Dialog) -> None:
        wrong.append(f'dialog: {dialog.message}')
        dialog.dismiss()

    page.on('request', on_request)
    page.on('response', on_response)
    page.on('console', on_console)
    page.on('dialog', on_dialog)
    page.on('pageerror', lambda error: wrong.append(f'script error: {error}'))
    yield page
    context.close()
    assert wrong == []


class WebSite(http.server.ThreadingHTTPServer):
    """A web site of another origin than the service: the files of a folder."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(SilentHandler, directory=str(folder))
        super().__init__(('127.0.0.1', 0), handler)
        self.origin = f'http://localhost:{self.server_port}'
        threading.Thread(target=self.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    def close(self) -> None:
        """Stop: from now on, connections are refused."""
        self.shutdown()
        self.server_close()


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web_site() -> Iterator[Callable[[Path], WebSite]]:
    """Starts web sites, each from a folder."""
    sites: list[WebSite] = []

    def start(folder: Path) -> WebSite:
        sites.append(WebSite(folder))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


@pytest.fixture(scope='session')
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a service of the models in `served.py`."""
    log = tmp_path_factory.mktemp('console') / 'service.log'
    with running_service(log, application='tests.client.served:app') as url:
        yield url


@pytest.fixture
def console(page: Page, models: str) -> Page:
    """The console of these models, with its forms."""
    return opened(page, models)
