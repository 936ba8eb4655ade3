"""Decorators above and below `validate_json`, for fast_service.py."""

import functools
from typing import Any

from flask import abort, g, request
from werkzeug.datastructures import WWWAuthenticate

from tests.engine.fast_returns import closed


def with_files(view: Any) -> Any:
    """Answer an upload without the view."""

    @functools.wraps(view)
    def uploaded(*args: Any) -> Any:
        closed.extend(file.stream for file in request.files.values())
        return {name: file.read().decode() for name, file in request.files.items()} or view(*args)

    return uploaded


def with_limit(view: Any) -> Any:
    @functools.wraps(view)
    def limited(*args: Any) -> Any:
        request.max_content_length = 20
        return view(*args)

    return limited


def with_user(view: Any) -> Any:
    @functools.wraps(view)
    def known(*args: Any) -> Any:
        if request.authorization is None or request.authorization.username != 'leo':
            abort(401, 'Who are you?', www_authenticate=WWWAuthenticate('basic', {'realm': 'tests'}))
        request.user = g.user = request.authorization.username  # type: ignore[attr-defined]
        return view(*args)

    return known
