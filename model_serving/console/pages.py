"""The pages of the client folder, served at /client/, and jQuery for them."""

import contextlib
from importlib.metadata import distribution
from pathlib import Path

from flask import Flask, Response, send_from_directory
from werkzeug.exceptions import NotFound

from model_serving.content_policy import policy_of
from model_serving.project import ROOT, SHIPPED


def serve_client(app: Flask) -> None:
    """Serve the files of the client folder at /client/<file>, and jQuery at /client/jquery.min.js.

    The console, and what pages share, come with the package; a file of the project wins.
    """
    # Found by its files: importing the package would need pkg_resources, gone from new Pythons.
    jquery = Path(str(distribution('XStatic-jQuery').locate_file('xstatic/pkg/jquery/data')))

    @app.get('/client/jquery.min.js')
    def client_jquery() -> Response:
        return send_from_directory(jquery, 'jquery.min.js')

    @app.get('/client/<path:filename>')
    def client_file(filename: str) -> Response:
        if filename.startswith('.') or '/.' in filename:  # Such as .env, .git and what editors leave.
            raise NotFound
        with contextlib.suppress(NotFound):
            return with_policy(send_from_directory(ROOT / 'client', filename))
        return with_policy(send_from_directory(SHIPPED / 'client', filename))

    client_jquery.access = client_file.access = 'console'  # type: ignore[attr-defined]


def with_policy(response: Response) -> Response:
    """The same, with a Content-Security-Policy, which depends on the text of a page."""
    page = b''
    if response.mimetype == 'text/html':
        response.direct_passthrough = False
        page = response.get_data()
    response.headers['Content-Security-Policy'] = policy_of(page)
    return response
