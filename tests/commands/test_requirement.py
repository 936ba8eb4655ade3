"""How a new project names this package: as pip has noted that it was installed."""

import json
from pathlib import Path
from typing import Any

import pytest

from model_serving.commands import requirement as module
from model_serving.commands.requirement import NAME, requirement
from model_serving.version import __version__

ORIGINS: dict[str, tuple[dict[str, Any] | None, str]] = {
    'index': (None, f'{NAME}=={__version__}'),
    'archive': (
        {'url': 'https://example.com/w.whl', 'archive_info': {}},
        f'{NAME} @ https://example.com/w.whl',
    ),
    'repository': (
        {'url': 'https://example.com/r.git', 'vcs_info': {'vcs': 'git', 'commit_id': 'abc'}},
        f'{NAME} @ git+https://example.com/r.git@abc',
    ),
}


def install(monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None) -> None:
    """Let the package be one that was installed from there."""

    class Distribution:
        def read_text(self, _name: str) -> str | None:
            return origin and json.dumps(origin)

    monkeypatch.setattr(module, 'distribution', lambda _name: Distribution())


@pytest.mark.parametrize(('origin', 'line'), ORIGINS.values(), ids=ORIGINS)
def test_origin_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: dict[str, Any] | None, line: str
) -> None:
    install(monkeypatch, origin)
    assert requirement(tmp_path / 'vendor') == line
    assert not (tmp_path / 'vendor').exists()


def test_wheel_goes_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = tmp_path / 'a folder' / 'x-1-py3-none-any.whl'
    wheel.parent.mkdir()
    wheel.write_bytes(b'wheel')
    install(monkeypatch, {'url': wheel.as_uri()})
    assert requirement(tmp_path / 'vendor') == './vendor/x-1-py3-none-any.whl'
    assert (tmp_path / 'vendor' / wheel.name).read_bytes() == b'wheel'


def test_what_is_gone_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, {'url': (tmp_path / 'gone.whl').as_uri()})
    with pytest.raises(OSError, match=r'gone\.whl, which this package was installed from, is gone'):
        requirement(tmp_path / 'vendor')
