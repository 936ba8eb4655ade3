"""What the scripts here have in common: a file that has been made gets its SHA-256 into conf/."""

import hashlib
import re
from pathlib import Path

CONF = Path(__file__).resolve().parent.parent / 'conf'


def note_sum(file: Path) -> None:
    """Put the SHA-256 of data/<model>.<suffix> into conf/<model>.conf, which names it as `path_sha256`."""
    conf = CONF / f'{file.stem}.conf'
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    conf.write_text(re.sub('(?m)^path_sha256 = .*$', f'path_sha256 = {digest}', conf.read_text('utf-8')))
