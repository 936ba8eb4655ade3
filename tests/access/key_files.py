"""The keys of these tests."""

from hashlib import sha256
from pathlib import Path

SHOP, BOSS, PROBE = 'msk_shop', 'msk_boss', 'msk_probe'


def line(name: str, key: str, models: str = '*', limits: str = '') -> str:
    return f'{name} {sha256(key.encode()).hexdigest()} {models} {limits}\n'


def write(path: Path, *lines: str) -> Path:
    path.write_text(''.join(lines))
    return path


LINES = (
    '# Who may call.\n',
    line('shop', SHOP, 'EchoModel,Other'),
    line('boss', BOSS),
    line('probe', PROBE, '-'),
)
