"""Debian's Prometheus, scraping a service of these tests."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.programs import running
from tests.service_process import free_port

CONFIG = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
- job_name: model-serving
  static_configs: [{{targets: ['{target}']}}]
"""


class Prometheus:
    """Answers queries about what it has scraped."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[Any]:
        """The series that an expression gives now. Raises ValueError, with what is wrong, for a bad one."""
        url = f'{self.url}/api/v1/query?{urlencode({"query": expression})}'
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                series: list[Any] = json.load(answer)['data']['result']
        except urllib.error.HTTPError as error:
            raise ValueError(f'{expression}: {error.read().decode()}') from error
        return series

    def value(self, expression: str) -> float:
        """The one value that an expression gives; -1 where it gives none."""
        series = self.query(expression)
        return float(series[0]['value'][1]) if series else -1


@contextlib.contextmanager
def prometheus(folder: Path, service: str) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the service at this URL four times a second."""
    (folder / 'prometheus.yml').write_text(CONFIG.format(target=urlsplit(service).netloc))
    port = free_port()
    command = [
        'prometheus',
        f'--config.file={folder / "prometheus.yml"}',
        f'--storage.tsdb.path={folder / "data"}',
        f'--web.listen-address=127.0.0.1:{port}',
    ]
    server = Prometheus(f'http://127.0.0.1:{port}')
    with running(command, folder / 'log', lambda: _scrapes(server)):
        yield server


def _scrapes(server: Prometheus) -> bool:
    try:
        return server.value('up') == 1
    except (OSError, ValueError):  # It says "Service Unavailable" until it has read what it has stored.
        return False
