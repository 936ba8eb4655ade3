"""`main.py key <name>`: makes a key for a caller of the service, who alone keeps it."""

import secrets
import sys
from hashlib import sha256

from model_serving.access.keys import ANONYMOUS, NAME

PREFIX = 'msk_'
"""By which people, and tools that look for secrets in code, recognise a key."""

NEXT = """
The key of {name}, which is shown this once:

  {key}

Add the line above to the file of keys, such as conf/keys.conf: a service that runs reads it within a second.
Keys are on where the setting names that file: MODEL_SERVING_KEYS=conf/keys.conf. In place of *, the line may
name models, and limits after them: IrisModel,DigitsModel 100/m"""


def make_key(name: str) -> None:
    """Print the line for the file of keys to stdout; to stderr the key, and what to do.

    Exits where the name cannot be one.
    """
    if not NAME.fullmatch(name) or name == ANONYMOUS:
        sys.exit(
            f'{name!r} is no name for a key: it has letters, digits, . _ and -, and is not {ANONYMOUS!r}'
        )
    key = PREFIX + secrets.token_urlsafe(32)
    print(f'{name} {sha256(key.encode()).hexdigest()} *', flush=True)
    print(NEXT.format(name=name, key=key), file=sys.stderr, flush=True)
