"""`main.py new SentimentModel`: the files of a new model, written from those of the reference model."""

import ast
import contextlib
import re
import shutil
import sys
import unicodedata
from pathlib import Path

from model_serving.commands.background import expected_address
from model_serving.commands.layout import package_of, path_in, reference
from model_serving.project import ROOT

FILES = {
    'model_serving/models/{}.py': 'load in __init__, predict in a method',
    'model_serving/resources/{}_resource.py': 'the schema, its example, and what post answers',
    'tests/models/test_{}.py': 'what the model must get right',
    'tests/resources/test_{}_resource.py': 'what the endpoint answers, and what it refuses',
}
"""What a model consists of, in the order of editing; `{}` is its name in snake_case.

A project of one's own has no folder `model_serving`: see `layout.path_in`.
"""

REFERENCE = 'xxx_model'
REMARK = ': the reference, the one to copy'
"""What the reference says of itself, and its copies must not."""

EXAMPLE = '{"name": "Leo"}'
"""What the reference, and so a new model, answers."""

MOST_CHARACTERS = 31
LINE_LENGTH = 110
NAME = re.compile(r'[A-Z][A-Za-z0-9]*Model')
WORD_START = re.compile(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z](?!\d))')


class ScaffoldError(Exception):
    """The model cannot be written; the message says why, and what to do."""


def scaffold(name: str) -> None:
    """Write the model `name`, or a version of one, such as DigitsModel@2, and print what to do next.

    Exits with one line and status 1 where it cannot.
    """
    model, is_version, version = name.partition('@')
    try:
        if is_version:
            from model_serving.commands.version_scaffold import new_version

            print(new_version(model, version))
        else:
            print(new_model(name))
    except ScaffoldError as error:
        sys.exit(f'main.py new: {error}')
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        sys.exit(f'main.py new: {error}; nothing was changed')


def new_model(name: str, root: Path = ROOT) -> str:
    """Write the files of the model `name` and mount it in main.py. Returns what to do next.

    Raises ScaffoldError or OSError, with nothing written, where that cannot be or would overwrite something.
    """
    check_name(name)
    main = (root / 'main.py').read_text('utf-8')
    texts = {path: copy_of_reference(pattern, name, root) for path, pattern in files_of(name, root).items()}
    write_new(name, texts, root, with_mount(main, name, package_of(root)))
    return next_steps(name, root)


def check_name(name: str) -> None:
    """Raise ScaffoldError for what cannot be the name of a model, with one that can."""
    if not NAME.fullmatch(name):
        raise ScaffoldError(
            f'{name!r}: model names are CamelCase and end in "Model"; try: main.py new {suggestion(name)}'
        )
    file = snake_case(name)
    if len(file) > MOST_CHARACTERS:
        raise ScaffoldError(f'{file!r} has {len(file)} characters; keep it to {MOST_CHARACTERS}')


def suggestion(text: str) -> str:
    """The name of a model that is nearest to `text`: SentimentModel for sentiment-model."""
    ascii_text = unicodedata.normalize('NFKD', text).encode('ascii', 'ignore').decode()
    words = re.findall('[A-Za-z0-9]+', re.sub('^[^A-Za-z]+', '', ascii_text))
    joined = ''.join(word[0].upper() + word[1:] for word in words)
    stem = re.sub('model$', '', joined, flags=re.IGNORECASE)
    while len(snake_case(f'{stem}Model')) > MOST_CHARACTERS:
        stem = stem[:-1]
    return f'{stem or "Sentiment"}Model'


def snake_case(name: str) -> str:
    """`name` as a file is called: sentiment_model for SentimentModel, co2_model for CO2Model."""
    return WORD_START.sub('_', name).lower()


def files_of(name: str, root: Path = ROOT) -> dict[str, str]:
    """The files of the model `name` in the project at `root`, each with its pattern in FILES."""
    return {path_in(root, pattern.format(snake_case(name))): pattern for pattern in FILES}


def copy_of_reference(pattern: str, name: str, root: Path) -> str:
    """The text of the reference's file of that pattern, as the model `name` has it."""
    title = WORD_START.sub(' ', name)
    names = {'XXXModel': name, 'xxx_model': snake_case(name), 'XXX Model': title, REMARK: ''}
    text = reference(root, pattern.format(REFERENCE))
    return re.sub('|'.join(names), lambda found: names[found[0]], text)


def with_mount(text: str, name: str, package: str) -> str:
    """The text of main.py with `name`, whose module begins with `package`, mounted as the last of MODELS.

    Raises ScaffoldError where it is mounted already, or where that list is not as expected.
    """
    models = mounting_list(text)
    if any(isinstance(node, ast.Constant) and node.value == name for node in ast.walk(models)):
        raise ScaffoldError(
            f'{name} is in MODELS of main.py already; choose another name, or delete it there'
        )
    return with_last(text, models, mount_of(name, package))


def with_last(text: str, models: ast.List, mount: str) -> str:
    """The text of main.py with `mount` as the last of `models`. Raises ScaffoldError where that cannot be."""
    lines = text.splitlines(keepends=True)
    end = (models.end_lineno or 0) - 1
    if lines[end].startswith(']'):
        mounted = ''.join([*lines[:end], mount, *lines[end:]])
        with contextlib.suppress(SyntaxError):  # Where a comma is missing.
            if len(mounting_list(mounted).elts) == len(models.elts) + 1:
                return mounted
    raise ScaffoldError(
        'MODELS of main.py must end with a comma, and then a line with ] alone; mend that first'
    )


def mount_of(name: str, package: str) -> str:
    """The line of MODELS that mounts `name`, or the lines, as ruff would format them."""
    module, resource = f'{package}resources.{snake_case(name)}_resource', f'{name}Resource'
    line = f"    Mount('{name}', '{module}:{resource}'),\n"
    return line if len(line) <= LINE_LENGTH + 1 else mount_of_lines(name, module, resource)


def mount_of_lines(name: str, module: str, resource: str, *rest: str) -> str:
    """The lines that mount `name`, with the `rest` of the arguments."""
    place = f"        '{module}:{resource}',\n"
    if len(place) > LINE_LENGTH + 1:
        place = f"        '{module}'\n        ':{resource}',\n"
    lines = ''.join(f'        {each},\n' for each in rest)
    return f"    Mount(\n        '{name}',\n{place}{lines}    ),\n"


def next_steps(name: str, root: Path = ROOT) -> str:
    """What to tell the author of the model `name`, which has just been written in the project at `root`."""
    paths = files_of(name, root)
    width = max(map(len, paths))
    edits = {path: FILES[pattern] for path, pattern in paths.items()}
    edits['requirements.txt'] = 'the packages it needs, pinned'
    tests = ' '.join(path for path in paths if path.startswith('tests/'))
    lines = [
        f'Wrote {name}, which says hello so far, and mounted it in main.py. Edit, in this order:',
        *[
            f'  {number}. {path:{width}}  {edit}'
            for number, (path, edit) in enumerate(edits.items(), start=1)
        ],
        'Start: bin/stop.sh; bin/start.sh',
        f"Try:   curl {expected_address()}/v1/{name} -H 'Content-Type: application/json' -d '{EXAMPLE}'",
        f'Test:  bin/test.sh {tests}',
    ]
    if (root / 'docs').is_dir():
        lines.append('Read:  docs/adding-a-model.md, and docs/guides/ for complete models of the usual kinds')
    return '\n'.join(lines)


def mounting_list(text: str) -> ast.List:
    """The list MODELS in the text of main.py. Raises ScaffoldError or SyntaxError."""
    for statement in ast.parse(text, 'main.py').body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.List):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if ast.unparse(targets[0]) == 'MODELS':
                return statement.value
    raise ScaffoldError('main.py has no list MODELS = [...], where a model is mounted; bring it back first')


def write_new(name: str, texts: dict[str, str], root: Path, mounted: str) -> None:
    """Write the files of `name`, by their paths in `root`, and the new text of main.py: all, or nothing.

    Raises ScaffoldError where one of them is there already, and OSError.
    """
    if existing := [path for path in texts if (root / path).exists()]:
        raise ScaffoldError(
            f'{name} would overwrite {", ".join(existing)}; choose another name, or delete what is there'
        )
    main = root / 'main.py'
    mounting = main.with_name('main.py.new')
    written: list[Path] = []
    try:
        for path, text in {**texts, mounting.name: mounted}.items():
            with (root / path).open('x', encoding='utf-8') as file:
                written.append(root / path)
                file.write(text)
        shutil.copymode(main, mounting)
        mounting.replace(main)
    except OSError:
        for made in written:
            made.unlink()
        raise
