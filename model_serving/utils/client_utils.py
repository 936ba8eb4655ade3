"""The pages of the client folder, served at /client/, and jQuery for them."""

from importlib.metadata import distribution
from pathlib import Path

from flask import Flask, Response, send_from_directory

from model_serving.utils.settings_utils import ROOT


def serve_client(app: Flask) -> None:
    """Serve the files of the client folder at /client/<file>, and jQuery at /client/jquery.min.js."""
    # Found by its files: importing the package would need pkg_resources, gone from new Pythons.
    jquery = Path(str(distribution('XStatic-jQuery').locate_file('xstatic/pkg/jquery/data')))

    @app.get('/client/jquery.min.js')
    def client_jquery() -> Response:
        return send_from_directory(jquery, 'jquery.min.js')

    @app.get('/client/<path:filename>')
    def client_file(filename: str) -> Response:
        return send_from_directory(ROOT / 'client', filename)
