"""The settings of the service itself."""

import contextlib
import dataclasses
import math
import re

from model_serving.settings import SettingError, load_settings, setting


def origin(text: str) -> str:
    """`text`, if it is `*` or an origin such as https://example.com:8443; else raises ValueError."""
    if text == '*' or re.fullmatch(r'https?://[A-Za-z0-9.-]+(:[0-9]+)?', text):
        return text
    raise ValueError(f'{text!r} is not an origin such as https://example.com, nor *')


def part(text: str) -> str:
    """`text`, if it is a part of the service that may be public; else raises ValueError."""
    if text in ('console', 'docs', 'metrics'):
        return text
    raise ValueError(f'{text!r} is not one of console, docs, metrics')


@dataclasses.dataclass(frozen=True)
class ServiceSettings:
    """The settings of the service itself: `conf/model_serving.conf`, or `MODEL_SERVING_<NAME>`."""

    models: tuple[str, ...] = ()
    """Names of the models to load, comma-separated; empty: every model that is not opt-in."""

    default_model: str = ''
    """The model that answers where a route names none, such as /invocations; empty: the only one, if any."""

    cors_origins: tuple[str, ...] = setting(('*',), each=origin)
    """Origins whose pages may call the service, comma-separated; `*`: every origin."""

    max_body_bytes: int = setting(32 * 1024 * 1024, minimum=1)
    """Largest request body, in bytes; the default is App Engine's own limit of 32 MiB."""

    timeout_s: float = setting(30.0, minimum=0)
    """Seconds after which a request is answered with 504, whatever the model does."""

    drain_s: float = setting(0.0, minimum=0)
    """Seconds for which the service accepts connections after SIGTERM, while /health/ready says 503."""

    max_waiting: int = setting(2048, minimum=1)
    """Most requests that wait for one model in one worker; more get 503."""

    max_buffered_bytes: int = setting(128 * 1024 * 1024, minimum=1)
    """Most bytes that one worker keeps of requests over 64 kB; and of others, of parsed ones, of answers."""

    fast_path: bool = True
    """Whether valid requests to models skip Flask's dispatch; `false` sends all through Flask."""

    access_log: bool = True
    """Whether each request gets a line in the log."""

    access_log_health: bool = False
    """Whether requests for the service's health get one, too."""

    keys: str = ''
    """The file of the keys that callers need, such as conf/keys.conf; empty: everybody may call."""

    public: tuple[str, ...] = setting(('console', 'docs'), each=part)
    """What needs no key, of console, docs and metrics, comma-separated; health never needs one."""

    require_all_models: bool = False
    """Whether a model that fails to load, or on its own example, stops the start; else the others serve."""

    log_format: str = setting('text', choices=('text', 'json'))
    """`text`: lines as conf/logging.conf says; `json`: objects, as Google Cloud Logging reads them."""

    metrics: bool = True
    """Whether GET /metrics shows what was counted."""

    version: str = ''
    """What serves, for the log and the metrics, such as a git revision; empty: as Google names it, if so."""

    check_answers: bool = False
    """Whether an answer that breaks its response schema is a crash: for tests."""

    payload_log: str = ''
    """The file that gets a line for each call of a model, with its bodies; empty: there is none."""

    payload_log_sample: float = setting(1.0, minimum=0)
    """The share of the calls that get one, from 0 to 1."""

    payload_log_max_bytes: int = setting(64 * 1024, minimum=0)
    """The largest body in such a line; of a larger one, it has the size."""

    jobs: str = ''
    """The file of the jobs that calls become whose clients ask for that; empty: these calls are as others."""

    jobs_timeout_s: float = setting(3600.0, minimum=0)
    """Seconds after which a job has failed, whatever the model does."""

    jobs_keep_s: float = setting(3600.0, minimum=0)
    """Seconds for which the answer of a job is kept."""

    mcp: str = setting('auto', choices=('auto', 'on', 'off'))
    """Whether /mcp serves the models as tools; `auto`: where keys are needed or only this machine calls."""

    default_versions: tuple[str, ...] = ()
    """Versions that answer where a path names none, as in DigitsModel=2; else the first mounted."""

    labels: tuple[str, ...] = ()
    """Labels of versions, comma-separated, as in DigitsModel:canary=2, DigitsModel:stable=1."""


def drain_seconds() -> int:
    """The setting drain_s, for what waits for the service to end; 0 where settings are wrong."""
    with contextlib.suppress(SettingError):
        return math.ceil(load_settings(ServiceSettings, 'model_serving').drain_s)
    return 0
