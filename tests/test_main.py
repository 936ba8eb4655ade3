import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import main
from model_serving import Mount, __version__
from model_serving.schemas.compiled import BadSchema
from model_serving.service.mounts import choose, load
from model_serving.settings import SettingError
from tests.raw_http import post
from tests.service_process import ROOT, free_port, wait_until_it_answers


def run_main(*arguments: str, **environment: str) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [sys.executable, '-P', 'main.py', *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize('argument', ['-h', '--help'])
def test_help_is_the_usage(argument: str) -> None:
    answer = run_main(argument)

    assert answer.returncode == 0
    assert main.__doc__
    assert answer.stdout.strip() == main.__doc__.strip()


@pytest.mark.parametrize('argument', ['-v', '--version'])
def test_version_is_printed(argument: str) -> None:
    answer = run_main(argument)

    assert (answer.returncode, answer.stdout.strip()) == (0, __version__)


def test_help_loads_nothing_heavy() -> None:
    loaded = subprocess.run(
        [sys.executable, '-X', 'importtime', 'main.py', '--help'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr

    assert 'docopt' in loaded
    for package in ('flask', 'numpy', 'jsonschema', 'model_serving.utils'):
        assert f' {package}\n' not in loaded


WRONG = {
    'port_is_a_word': (['--port=abc'], "'abc' is not a port; give a number from 1 to 65535 with --port"),
    'port_is_too_large': (['-p', '65536'], "'65536' is not a port"),
    'port_is_negative': (['--port=-1'], "'-1' is not a port"),
    'unknown_model': (
        ['-p', '{free}', '--models=Foo'],
        "no model is called 'Foo'; known: XXXModel, IrisModel,",
    ),
    'host_is_not_ours': (['--host=192.0.2.1', '-p', '{free}'], 'cannot start on 192.0.2.1 port'),
    'port_is_taken': (['-a', '127.0.0.1', '-p', '{taken}'], 'Address already in use; choose others'),
}


@pytest.mark.parametrize(('arguments', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_start_ends_with_one_line(service: str, arguments: list[str], message: str) -> None:
    ports = {'free': free_port(), 'taken': service.rsplit(':', 1)[1]}

    answer = run_main(*[argument.format(**ports) for argument in arguments])

    assert answer.returncode == 1
    assert message in answer.stderr
    lines = [line for line in answer.stderr.splitlines() if 'Restarting with' not in line]
    assert len(lines) == 1


def test_wrong_setting_ends_with_one_line() -> None:
    answer = run_main('-p', str(free_port()), MODEL_SERVING_MAX_BODY_BYTES='many')

    assert answer.returncode == 1
    assert answer.stderr == (
        "model-serving cannot start: MODEL_SERVING_MAX_BODY_BYTES: 'many' is not a whole number\n"
    )


def test_unknown_option_shows_the_usage() -> None:
    answer = run_main('--prot=1')

    assert answer.returncode == 1
    assert answer.stderr.startswith('Usage:')


SERVED = {
    'plain': ([], ['Serving at'], ['debugger', 'Debugging']),
    'debug': (['--debug'], ['Serving at'], ['without the interactive']),
    'debug_public': (['-d', '--host=0.0.0.0'], ['without the interactive debugger: 0.0.0.0'], ['PIN']),
}


@pytest.mark.parametrize(('arguments', 'said', 'unsaid'), SERVED.values(), ids=SERVED)
def test_main_serves(arguments: list[str], said: list[str], unsaid: list[str], tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / 'log'
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, 'main.py', *arguments, f'--port={port}', '--models=XXXModel'],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_it_answers(f'http://127.0.0.1:{port}', process, log)
        answer = post(f'http://127.0.0.1:{port}', '/v1/XXXModel', b'{"name": "Leo"}')
        assert answer.json == {'result': 'Hello, Leo!'}
        assert has_debugger(port) is (arguments == ['--debug'])
        if '--host=0.0.0.0' not in arguments:
            with pytest.raises(OSError, match='refused'):
                post(f'http://127.0.0.2:{port}', '/v1/XXXModel', b'{}')
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
    text = log.read_text()
    assert all(words in text for words in said)
    assert not any(words in text for words in unsaid)
    assert text.count('Initializing XXX Model ...') == 1
    assert f'Serving at http://127.0.0.1:{port}/' in text or '0.0.0.0' in ' '.join(arguments)


def has_debugger(port: int) -> bool:
    """Whether the interactive debugger answers: it serves its own style sheet at any path."""
    url = f'http://127.0.0.1:{port}/?__debugger__=yes&cmd=resource&f=style.css'
    with urllib.request.urlopen(url, timeout=10) as answer:
        return 'css' in answer.headers['Content-Type']


def test_default_models_are_those_not_opt_in() -> None:
    names = [mount.name for mount in choose(main.MODELS, ())]

    assert {'XXXModel', 'IrisModel', 'DigitsModel'} <= set(names)
    assert 'CO2Model' not in names


def test_opt_in_model_loads_when_named() -> None:
    assert [mount.name for mount in choose(main.MODELS, ('CO2Model', 'XXXModel'))] == ['CO2Model', 'XXXModel']


def test_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        SettingError, match="no model is called 'Foo'; known: XXXModel, IrisModel, DigitsModel"
    ):
        choose(main.MODELS, ('XXXModel', 'Foo'))


def test_names_may_have_spaces_between_them() -> None:
    answer = run_main('-p', str(free_port()), '--models=XXXModel, Foo')

    assert "no model is called 'Foo'" in answer.stderr


MISTYPED = {
    'module': ('model_serving.resources.none:Resource', "there is no module 'model_serving.resources.none'"),
    'class': ('model_serving.resources.xxx_model_resource:Typo', "there is no 'Typo' in it"),
    'package': ('no_such_package:Resource', "needs the package 'no_such_package', which is not installed"),
}


@pytest.mark.parametrize(('resource', 'message'), MISTYPED.values(), ids=MISTYPED)
def test_mistyped_mount_is_named(resource: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        load(Mount('WineModel', resource))


BROKEN = {
    'setting': 'from model_serving.settings import SettingError\nraise SettingError("no port")',
    'schema': 'from model_serving.schemas.compiled import BadSchema\nraise BadSchema("no type")',
    'anything': 'raise ValueError("no\\nweights")',
    'syntax': 'no Python',
    'library': 'import ctypes; ctypes.CDLL("libnone.so")',
    'exit': 'import sys; sys.exit("no licence")',
    'panic': 'class Panic(BaseException): ...\nraise Panic("no luck")',
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Mount:
    """A mount whose module breaks in one of these ways when it is imported."""
    (tmp_path / f'broken_by_{request.param}.py').write_text(BROKEN[request.param])
    monkeypatch.syspath_prepend(tmp_path)
    return Mount('WineModel', f'broken_by_{request.param}:WineModelResource')


@pytest.mark.parametrize('broken', ['setting', 'schema'], indirect=True)
def test_mistake_of_a_setting_or_a_schema_stops_the_start(broken: Mount) -> None:
    with pytest.raises((SettingError, BadSchema)) as caught:
        load(broken)

    assert caught.value.__notes__ == ['(while loading WineModel)']


FAILURES = {
    'anything': 'failed to load: ValueError (error ',
    'syntax': 'failed to load: SyntaxError (error ',
    'library': 'failed to load: OSError (error ',
    'exit': 'failed to load: SystemExit (error ',
    'panic': 'failed to load: Panic (error ',
}


@pytest.mark.parametrize(('broken', 'reason'), FAILURES.items(), indirect=['broken'], ids=FAILURES)
def test_any_other_failure_is_told_by_a_stand_in(
    broken: Mount, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    resource: Any = load(broken)

    assert resource.load_failure.startswith(reason)
    assert '\n' not in resource.load_failure
    assert f'WineModel {resource.load_failure}; the others are served\nTraceback' in caplog.text


@pytest.mark.parametrize('broken', FAILURES, indirect=True)
def test_required_model_that_cannot_be_loaded_is_an_error(broken: Mount) -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  (Of any class.)
        load(broken, required=True)

    assert caught.value.__notes__ == ['(while loading WineModel)']


def test_what_is_not_chosen_is_not_imported() -> None:
    script = (
        'import sys\n'
        "for name in ('sklearn', 'skops', 'scipy', 'torch'): sys.modules[name] = None\n"
        'import main\n'
        "assert main.app.test_client().post('/v1/XXXModel', json={'name': 'Leo'}).status_code == 200\n"
        "assert 'model_serving.models.iris_model' not in sys.modules\n"
        "warmed = main.app.test_client().get('/_ah/warmup').json\n"
        "assert warmed == {'warmed_up': ['XXXModel', 'DigitsModel']}\n"
    )
    environment = {**os.environ, 'MODEL_SERVING_MODELS': 'XXXModel, DigitsModel'}
    subprocess.run([sys.executable, '-c', script], cwd=ROOT, env=environment, check=True, timeout=60)


def test_hello_alone_needs_no_numbers() -> None:
    script = "import sys; sys.modules['numpy'] = None; import main"
    environment = {**os.environ, 'MODEL_SERVING_MODELS': 'XXXModel'}
    subprocess.run([sys.executable, '-c', script], cwd=ROOT, env=environment, check=True, timeout=60)


def test_missing_framework_is_named() -> None:
    script = "import sys; sys.modules['onnxruntime'] = None; import main"
    environment = {**os.environ, 'MODEL_SERVING_MODELS': 'DigitsModel'}

    answer = subprocess.run(
        [sys.executable, '-c', script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert answer.returncode == 1
    assert "DigitsModel needs the package 'onnxruntime', which is not installed" in answer.stderr


@pytest.mark.alone
def test_help_answers_at_once() -> None:
    run_main('--help')
    start = time.perf_counter()
    run_main('--help')
    assert time.perf_counter() - start < 2
