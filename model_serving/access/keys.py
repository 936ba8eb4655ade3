"""The file of keys: who may call which models, and how often. It holds hashes, and no key.

A line for each key: its name, the SHA-256 of the key, the models, and perhaps limits for each of these.
"""

import hmac
import logging
import os
import re
import time
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from model_serving.access.limits import Bucket, Limit, bucket_of, parse_limit
from model_serving.settings import SettingError

ANONYMOUS = 'anonymous'
"""The name of the line for those without a key, which has `-` in place of a hash."""
CHECK_SECONDS = 1.0
MAX_KEY_LENGTH = 512
MAX_SEEN = 1024
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')
MODELS = re.compile(r'\*|-|[A-Za-z][\w-]*(,[A-Za-z][\w-]*)*', re.ASCII)
FORM = 'write NAME SHA-256 MODELS LIMITS, as in: shop 9f86d0...0a08 IrisModel,DigitsModel 100/m'

State = tuple[int, ...] | None


class Key(NamedTuple):
    """The line of a key. `models` is None for every model; `buckets` are those in use, by model."""

    name: str
    digest: bytes
    models: frozenset[str] | None
    limits: tuple[Limit, ...]
    buckets: dict[str, list[Bucket]]

    def buckets_of(self, model: str, address: str) -> list[Bucket]:
        """What a request takes a token of; `address` is that of a caller without a key, else empty."""
        found = self.buckets.get(model)
        if found is None:
            found = [bucket_of(limit, self.name, model, address) for limit in self.limits]
            if not address:
                self.buckets[model] = found
        return found


class Keys(NamedTuple):
    """The keys by their digests, and what those without a key may do; None: nothing.

    `seen` has those that requests came with, by their headers Authorization and X-API-Key, so that each is
    hashed once. Texts are compared only if their hashes, salted in each process, are equal: time tells
    nothing of a key.
    """

    by_digest: dict[bytes, Key]
    anonymous: Key | None
    seen: dict[tuple[str | None, str | None], Key]

    def find(self, text: str) -> Key | None:
        """The key that `text` is, which a request came with; None if it is none."""
        if len(text) > MAX_KEY_LENGTH:
            return None
        digest = sha256(text.encode('latin-1', 'replace')).digest()
        key = self.by_digest.get(digest)
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None


def read_keys(path: Path) -> Keys:
    """The keys in a file. Raises SettingError, which names the line and repeats nothing that may be a key."""
    try:
        lines = path.read_text('utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, 'strerror', 'it is not UTF-8')
        raise SettingError(f'{path}: cannot be read: {why}') from error
    keys: list[Key] = []
    for number, line in enumerate(lines, 1):
        fields = line.partition('#')[0].split()
        if not fields:
            continue
        try:
            key = _parse(*fields)
            if key.name in {other.name for other in keys} or key.digest in {other.digest for other in keys}:
                raise ValueError('an earlier line has the same name, or the same hash')
        except (ValueError, TypeError) as error:
            reason = error if isinstance(error, ValueError) else 'a line has three columns, or four'
            raise SettingError(f'{path}, line {number}: {reason}; {FORM}') from None
        keys.append(key)
    if not keys:
        raise SettingError(f'{path}: there is no key in it; `python main.py key NAME` makes one')
    named = {key.digest: key for key in keys if key.digest}
    return Keys(named, next((key for key in keys if not key.digest), None), {})


def _parse(name: str, digest: str, models: str, limits: str = '') -> Key:
    if not NAME.fullmatch(name):
        raise ValueError('a name has letters, digits, . _ and -')
    if (name == ANONYMOUS) != (digest == '-'):
        raise ValueError(f'`-` in place of a hash stands for no key, and only in the line {ANONYMOUS}')
    if digest != '-' and not re.fullmatch('[0-9a-fA-F]{64}', digest):
        raise ValueError('the second column is the SHA-256 of the key, in 64 hexadecimal digits')
    if not MODELS.fullmatch(models):
        raise ValueError('the third column has names of models with commas, or * for all, or - for none')
    chosen = None if models == '*' else frozenset(models.split(',')) - {'-'}
    return Key(
        name,
        b'' if digest == '-' else bytes.fromhex(digest),
        chosen,
        tuple(map(parse_limit, limits.split(','))) if limits else (),
        {},
    )


class KeyFile:
    """A file of keys, which is read again when it changes. Raises SettingError if it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = self._read_state()
        self._keys = read_keys(path)
        self._check_at = time.monotonic() + CHECK_SECONDS

    def keys(self, now: float) -> Keys:
        """The keys of the file, as long as it can be used, else the earlier. `now` is by time.monotonic."""
        if now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            state = self._read_state()
            if state != self._state:
                self._state = state
                self._read_again()
        return self._keys

    def _read_again(self) -> None:
        logger = logging.getLogger('access.keys')
        try:
            self._keys = read_keys(self.path)
        except SettingError as error:
            logger.error('%s; the keys that were read before still hold', error)
        else:
            logger.info('%s: read again', self.path)

    def _read_state(self) -> State:
        """What changes with the file, or with what a link leads to."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
