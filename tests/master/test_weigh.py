"""What the first process says of the memory that its workers take."""

import logging
import os
from types import SimpleNamespace
from typing import Any

import pytest

from model_serving.master import weigh
from model_serving.master.standing import BOOTED, TRIED, Standing
from model_serving.master.weigh import Scales
from tests.linux import linux_only

pytestmark = linux_only
GIB = 1 << 30


def worker(state: int = TRIED, pid: int = 0) -> Any:
    standing = Standing(is_open=True)
    standing.state = state
    return SimpleNamespace(pid=pid or os.getpid(), standing=standing)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def scales() -> Scales:
    logger = logging.getLogger('gunicorn.error')
    logger.setLevel(logging.INFO)
    return Scales(logger)


def test_workers_that_leave_little_for_requests_are_warned_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weigh, 'memory_limit', lambda: 64 << 20)
    scales().weigh([worker(), worker()], 2)
    ((level, text),) = said(caplog)
    assert level == 'WARNING'
    assert text.startswith('2 workers with their models take ')
    assert (
        'MiB of 64 MiB, which leaves little for requests; raise the limit of the container, set WORKERS'
        in text
    )


def test_others_are_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weigh, 'memory_limit', lambda: 1024 * GIB)
    weighing = scales()
    weighing.weigh([worker(BOOTED)], 1)
    weighing.weigh([worker()], 2)
    assert said(caplog) == []
    for _ in range(2):
        weighing.weigh([worker()], 1)
    ((level, text),) = said(caplog)
    assert level == 'INFO'
    assert text.endswith('MiB of 1048576 MiB that the container may take')


@pytest.mark.parametrize(('limit', 'pid'), [(None, 0), (GIB, 99_999_999)])
def test_nothing_is_said_where_nothing_is_known(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, limit: int | None, pid: int
) -> None:
    monkeypatch.setattr(weigh, 'memory_limit', lambda: limit)
    scales().weigh([worker(pid=pid)], 1)
    assert said(caplog) == []
