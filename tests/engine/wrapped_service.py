"""The service of the tests in middleware, as a project may have it."""

from werkzeug.middleware.proxy_fix import ProxyFix

from tests.engine.served import app as service

app = ProxyFix(ProxyFix(service))  # type: ignore[arg-type]
"""What gunicorn serves."""
