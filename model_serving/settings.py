"""Settings: the environment over `conf/<section>.conf` over the default.

A group of settings is a frozen dataclass; `load_settings` fills it. The type of a field says how its
text is read, `setting(...)` adds a check. A wrong value raises `SettingError`, which stops
the start and names the setting, its value and the place it came from.
"""

import configparser
import dataclasses
import difflib
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from model_serving.project import ROOT as ROOT

Settings = TypeVar('Settings')

SUM = '_sha256'
"""What follows the name of a file's setting in that of its SHA-256."""


class SettingError(Exception):
    """A setting has a value that cannot be used."""


def setting(default: Any, minimum: float | None = None, each: Any = None, choices: Sequence[str] = ()) -> Any:
    """A field with its default, least number, the check of each name of a list, and choices."""
    return dataclasses.field(default=default, metadata={'minimum': minimum, 'each': each, 'choices': choices})


def load_settings(
    group: type[Settings],
    section: str,
    directory: Path = ROOT / 'conf',
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Fill the dataclass `group` from the environment, `<directory>/<section>.conf` and its defaults.

    The file is an INI file with the one section `[<section>]` and may be missing. The variable of a
    setting is MODEL_SERVING_<SECTION>_<NAME>; the service's own leave the section out. A relative
    path is taken from the project's folder. Beside a `path` there may be its SHA-256, as `path_sha256`.

    Raises SettingError for a value that cannot be read, for a name in the file that is no setting, and for
    a file with another SHA-256.
    """
    file = directory / f'{section}.conf'
    in_file = _read_file(file, section)
    fields = {field.name: field for field in dataclasses.fields(group)}  # type: ignore[arg-type]
    types = get_type_hints(group)
    sums = {f'{name}{SUM}': name for name in fields if types[name] is Path}
    if unknown := sorted(set(in_file) - {*fields, *sums}):
        raise SettingError(f'{file}: no setting is called {unknown[0]!r}; known: {", ".join(sorted(fields))}')
    _refuse_mistyped_variables(section, [*fields, *sums], environment)
    values = {}
    for name, field in fields.items():
        variable = _variable(section, name)
        if variable in environment:
            values[name] = _parse(environment[variable], types[name], field, variable)
        elif name in in_file:
            values[name] = _parse(in_file[name], types[name], field, f'{name} in {file}')
        elif isinstance(field.default, Path) and not field.default.is_file():
            raise SettingError(f'{name}: the default {str(field.default)!r} is not a file; set {variable}')
    for name, of in sums.items():
        place, listed = _variable(section, name), environment.get(_variable(section, name))
        if listed is None and _variable(section, of) not in environment:  # Else the file is another one.
            place, listed = f'{name} in {file}', in_file.get(name)
        if listed:
            _check_sum(values.get(of, fields[of].default), listed.strip().lower(), place)
    return group(**values)


def _check_sum(path: Path, listed: str, place: str) -> None:
    with path.open('rb') as opened:
        found = hashlib.file_digest(opened, 'sha256').hexdigest()
    if found != listed:
        raise SettingError(f'{place}: {path} is another file; put {found} there if it is the right one')


def _refuse_mistyped_variables(section: str, fields: Iterable[str], environment: Mapping[str, str]) -> None:
    """Raise SettingError for a variable that is nearly one of this section's.

    Not for every unknown one: Kubernetes gives a Service called model-serving a MODEL_SERVING_PORT.
    """
    known = sorted(_variable(section, name) for name in fields)
    prefix = _variable(section, '')
    for variable in sorted(set(environment) - set(known)):
        name = variable.removeprefix(prefix).lower()
        if name[:1].isdigit():  # It is one of a version: MODEL_SERVING_DIGITS_MODEL_2_PATH.
            continue
        if variable.startswith(prefix) and difflib.get_close_matches(name, fields, cutoff=0.8):
            raise SettingError(f'{variable}: there is no such setting; known: {", ".join(known)}')


def _variable(section: str, name: str) -> str:
    prefix = 'model_serving' if section == 'model_serving' else f'model_serving_{section}'
    return f'{prefix}_{name}'.upper()


def _read_file(file: Path, section: str) -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding='utf-8')
    except (configparser.Error, UnicodeDecodeError) as error:
        raise SettingError(f'{file}: {error}') from error
    if others := sorted(set(parser.sections()) - {section}):
        raise SettingError(f'{file}: needs the section [{section}], not [{others[0]}]')
    return parser[section] if parser.has_section(section) else {}


def _parse(text: str, kind: Any, field: 'dataclasses.Field[Any]', place: str) -> Any:
    if kind not in PARSERS:
        raise SettingError(f'{place}: a setting cannot be a {kind}; it can be {", ".join(map(str, PARSERS))}')
    try:
        value = PARSERS[kind](text.strip())
        if check := field.metadata.get('each'):
            value = tuple(map(check, value))
    except ValueError as error:
        raise SettingError(f'{place}: {error}') from error
    if (choices := field.metadata.get('choices')) and value not in choices:
        raise SettingError(f'{place}: {value!r} is not one of {", ".join(choices)}')
    if (minimum := field.metadata.get('minimum')) is not None and value < minimum:
        raise SettingError(f'{place}: {value} is too small; the least that works is {minimum}')
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'{text!r} is not a whole number') from None


def _number(text: str) -> float:
    number = float(text) if re.fullmatch(r'[-+.\deE]+', text) else math.nan
    if not math.isfinite(number):
        raise ValueError(f'{text!r} is not a number')
    return number


def _flag(text: str) -> bool:
    if text.lower() not in ('true', 'false'):
        raise ValueError(f'{text!r} is neither true nor false')
    return text.lower() == 'true'


def _file(text: str) -> Path:
    path = ROOT / Path(text).expanduser()
    if not path.is_file():
        raise ValueError(f'{text!r} is not a file')
    return path


def names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(part.strip() for part in text.split(',') if part.strip())


PARSERS: dict[Any, Callable[[str], Any]] = {
    int: _integer,
    float: _number,
    bool: _flag,
    str: str,
    Path: _file,
    tuple[str, ...]: names,
}
"""How the text of a setting is read, by the type of its field."""
