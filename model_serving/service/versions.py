"""Where the versions of a model are served: each at its number, one at the model's name, some at labels."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model_serving.settings import SettingError

if TYPE_CHECKING:
    from model_serving.service.mounts import Mount

NAME = '([A-Za-z][A-Za-z0-9_-]*)'
FORMS = {
    'default_versions': (re.compile(f'{NAME} *= *([0-9]+)'), 'DigitsModel=2'),
    'labels': (re.compile(f'{NAME} *: *{NAME} *= *([0-9]+)'), 'DigitsModel:canary=2'),
}
"""What an entry of each of these settings looks like, and an example."""


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
    version = {mount.key: f'/versions/{mount.version}' if mount.version else '' for mount in chosen}
    urls = {mount.key: [f'/v1/{mount.name}{version[mount.key]}'] for mount in chosen}
    firsts = {name: next(iter(mounts.values())) for name, mounts in versions.items() if mounts}
    for name, mount in {**firsts, **_find('default_versions', defaults, versions)}.items():
        urls[mount.key].append(f'/v1/{name}')
    for place, mount in _find('labels', labels, versions).items():
        urls[mount.key].append(f'/v1/{place}')
    return {key: list(dict.fromkeys(own)) for key, own in urls.items()}


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
