"""What can be mounted; where versions are: each at its number, one at its model's name, some by label."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model_serving.settings import SettingError

if TYPE_CHECKING:
    from model_serving.service.mounts import Mount

RESOURCE = re.compile(r'[\w.]+:\w+')
VERSION = re.compile('[1-9][0-9]{0,17}')
NAME = '([A-Za-z][A-Za-z0-9_-]*)'
FORMS = {
    'default_versions': (re.compile(f'{NAME} *= *([0-9]+)'), 'DigitsModel=2'),
    'labels': (re.compile(f'{NAME} *: *{NAME} *= *([0-9]+)'), 'DigitsModel:canary=2'),
}
"""What an entry of each of these settings looks like, and an example."""


def check_mounts(models: Sequence['Mount'], taken: set[str]) -> None:
    """Raise SettingError for a mount that cannot be, or whose name is `taken`."""
    for mount in with_versions(models):
        wrong = ''
        if not isinstance(mount.name, str) or not re.fullmatch(NAME, mount.name):
            wrong = 'a name has letters, digits, - and _, and begins with a letter'
        elif mount.version and not (isinstance(mount.version, str) and VERSION.fullmatch(mount.version)):
            wrong = f"a version is a whole number above 0 as text, such as '2', not {mount.version!r}"
        elif mount.name in taken or mount.key in taken:
            wrong = 'the name is taken; choose another, or another version'
        elif not isinstance(mount.resource, str) or not RESOURCE.fullmatch(mount.resource):
            wrong = f"the resource has the form 'module:Class', not {mount.resource!r}"
        elif f'{mount.name} {mount.resource}' in taken:
            wrong = f'{mount.resource!r} is another version already; each has a resource of its own'
        elif isinstance(mount.packages, str):
            wrong = f'the packages are a tuple, such as ({mount.packages!r},)'
        if wrong:
            raise SettingError(f'MODELS: {mount.name!r}: {wrong}')
        taken = {*taken, mount.key, f'{mount.name} {mount.resource}'}


def with_versions(models: Sequence['Mount']) -> list['Mount']:
    """The same mounts; of several with one name, each has a version."""
    names = [mount.name for mount in models]
    return [
        mount._replace(version=mount.version or '1') if names.count(mount.name) > 1 else mount
        for mount in models
    ]


def urls_of(
    known: Sequence['Mount'],
    chosen: Sequence['Mount'],
    defaults: Sequence[str],
    labels: Sequence[str],
) -> dict[str, list[str]]:
    """The URLs of each of the `chosen` mounts, by its key; that with its version comes first.

    The last two are settings; what they say of models that are `known`, but not chosen, is not looked at.
    Raises SettingError.
    """
    versions: dict[str, dict[str, Mount]] = {mount.name: {} for mount in known}
    for mount in chosen:
        versions[mount.name][mount.version or '1'] = mount
    places = {mount.key.replace('@', '/versions/'): mount for mount in chosen}
    places |= {mount.name: mount for mount in reversed(chosen)}  # The first remains.
    places |= _find('default_versions', defaults, versions) | _find('labels', labels, versions)
    return {
        mount.key: [f'/v1/{place}' for place, there in places.items() if there == mount] for mount in chosen
    }


def _find(
    setting: str, entries: Sequence[str], versions: dict[str, dict[str, 'Mount']]
) -> dict[str, 'Mount']:
    """The mounts that a setting chooses, by what follows /v1/ in their URLs. Raises SettingError."""
    form, example = FORMS[setting]
    found: dict[str, Mount] = {}
    for entry in entries:
        if (match := form.fullmatch(entry)) is None:
            raise SettingError(f'{setting}: {entry!r} does not look like {example}')
        name, *label, version = match.groups()
        if name not in versions:
            raise SettingError(f'{setting}: {entry!r}: no such model; known: {", ".join(versions)}')
        place, there = '/labels/'.join([name, *label]), versions[name]
        if place in found:
            raise SettingError(f'{setting}: {entry!r}: an earlier one says otherwise; leave one of them out')
        if there and version not in there:
            raise SettingError(f'{setting}: {entry!r}: no such version; {name} has: {", ".join(there)}')
        if there:
            found[place] = there[version]
    return found
