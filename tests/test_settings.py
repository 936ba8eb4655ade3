import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from model_serving.service_settings import ServiceSettings
from model_serving.settings import ROOT, SettingError, load_settings, setting


@dataclasses.dataclass(frozen=True)
class SmallModelSettings:
    path: Path = ROOT / 'main.py'
    threads: int = setting(0, minimum=0)
    title: str = 'small'
    threshold: float = 0.5
    quiet: bool = False


def load(tmp_path: Path, file: str | None = None, **environment: str) -> SmallModelSettings:
    if file is not None:
        (tmp_path / 'small_model.conf').write_text(file)
    return load_settings(SmallModelSettings, 'small_model', tmp_path, environment)


def test_defaults_hold_without_a_file(tmp_path: Path) -> None:
    assert load(tmp_path) == SmallModelSettings()


def test_file_wins_over_default_and_environment_over_file(tmp_path: Path) -> None:
    file = (
        '[small_model]\nthreads = 2\ntitle = from 100% file\npath = LICENSE\nthreshold = 1e-3\nquiet = True\n'
    )

    settings = load(tmp_path, file, MODEL_SERVING_SMALL_MODEL_THREADS='3')

    assert settings == SmallModelSettings(
        path=ROOT / 'LICENSE', threads=3, title='from 100% file', threshold=0.001, quiet=True
    )


WRONG = {
    'not_a_number': (
        '[small_model]\nthreads = two',
        {},
        "threads in .*small_model.conf: 'two' is not a whole number",
    ),
    'too_small': (
        None,
        {'MODEL_SERVING_SMALL_MODEL_THREADS': '-1'},
        'SMALL_MODEL_THREADS: -1 is too small; .* 0',
    ),
    'no_number': (None, {'MODEL_SERVING_SMALL_MODEL_THRESHOLD': 'nan'}, "THRESHOLD: 'nan' is not a number"),
    'no_flag': (None, {'MODEL_SERVING_SMALL_MODEL_QUIET': 'yes'}, "QUIET: 'yes' is neither true nor false"),
    'unknown_variable': (
        None,
        {'MODEL_SERVING_SMALL_MODEL_THREAD': '2'},
        'MODEL_THREAD: there is no such setting',
    ),
    'no_file': (
        None,
        {'MODEL_SERVING_SMALL_MODEL_PATH': 'none.onnx'},
        "MODEL_PATH: 'none.onnx' is not a file",
    ),
    'unknown_name': (
        '[small_model]\nthread = 2',
        {},
        "no setting is called 'thread'; known: path, quiet, threads, threshold, title",
    ),
    'other_sum': (
        '[small_model]\npath = LICENSE\npath_sha256 = 0123',
        {},
        'path_sha256 in .*small_model.conf: .*LICENSE is another file; put [0-9a-f]{64} there',
    ),
    'other_sum_of_the_default': (
        None,
        {'MODEL_SERVING_SMALL_MODEL_PATH_SHA256': '0' * 64},
        'MODEL_SERVING_SMALL_MODEL_PATH_SHA256: .*main.py is another file',
    ),
    'sum_of_no_file': ('[small_model]\nthreads_sha256 = 0', {}, "no setting is called 'threads_sha256'"),
    'not_ini': ('threads = 2', {}, 'no section headers'),
    'other_section': ('[other]\nthreads = 2', {}, r'needs the section \[small_model\]'),
}


@pytest.mark.parametrize(('file', 'environment', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_value_is_named(
    tmp_path: Path, file: str | None, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        load(tmp_path, file, **environment)


def test_right_sum_is_that_of_the_file_beside_it(tmp_path: Path) -> None:
    right = hashlib.sha256((ROOT / 'LICENSE').read_bytes()).hexdigest()
    file = f'[small_model]\npath = LICENSE\npath_sha256 = {right.upper()}'

    assert load(tmp_path, file).path == ROOT / 'LICENSE'
    # The sum in the file is not that of a file which the environment names.
    other = load(tmp_path, file, MODEL_SERVING_SMALL_MODEL_PATH='main.py')
    assert other.path == ROOT / 'main.py'


@pytest.mark.parametrize('text', ['*', 'https://example.com', 'http://localhost:8000, https://a.example.com'])
def test_origins_are_read(tmp_path: Path, text: str) -> None:
    settings = load_settings(ServiceSettings, 'model_serving', tmp_path, {'MODEL_SERVING_CORS_ORIGINS': text})

    assert settings.cors_origins == tuple(re.split(', *', text))


@pytest.mark.parametrize('text', ['example.com', 'https://example.com/', 'https://*.example.com', 'null'])
def test_wrong_origin_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        SettingError, match=re.escape(f'MODEL_SERVING_CORS_ORIGINS: {text!r} is not an origin')
    ):
        load_settings(ServiceSettings, 'model_serving', tmp_path, {'MODEL_SERVING_CORS_ORIGINS': text})


def test_mistyped_variable_of_the_service_is_named(tmp_path: Path) -> None:
    environment = {
        'MODEL_SERVING_CORS_ORIGIN': 'https://example.com',
        'MODEL_SERVING_OTHER_MODEL_THREADS': '1',
    }
    with pytest.raises(SettingError, match='MODEL_SERVING_CORS_ORIGIN: there is no such setting; known: '):
        load_settings(ServiceSettings, 'model_serving', tmp_path, environment)


def test_variables_of_others_are_let_be(tmp_path: Path) -> None:
    kubernetes = {'MODEL_SERVING_PORT': 'tcp://10.0.0.1:80', 'MODEL_SERVING_SERVICE_HOST': '10.0.0.1'}

    assert load_settings(ServiceSettings, 'model_serving', tmp_path, kubernetes) == ServiceSettings()


def test_missing_default_file_is_named(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class LostModelSettings:
        path: Path = tmp_path / 'none.onnx'

    with pytest.raises(SettingError, match=r"none.onnx' is not a file; set MODEL_SERVING_LOST_MODEL_PATH"):
        load_settings(LostModelSettings, 'lost_model', tmp_path, {})


def test_shipped_file_says_what_the_defaults_are() -> None:
    assert load_settings(ServiceSettings, 'model_serving', environment={}) == ServiceSettings()
