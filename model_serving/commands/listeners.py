"""Which processes listen at a port."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

from model_serving.commands.background import command_of

LISTEN = '0A'


def listeners(port: int) -> str:
    """A line for each process that listens there and that this user may see: its pid and its command."""
    return ''.join(f'\n  pid {pid}: {command_of(pid)}' for pid in sorted(_pids(port)))


def _pids(port: int) -> set[int]:
    if not Path('/proc/net/tcp').exists():
        found = subprocess.run(
            ['lsof', '-t', '-nP', f'-iTCP:{port}', '-sTCP:LISTEN'],
            capture_output=True,
            text=True,
            check=False,
        )
        return set(map(int, found.stdout.split()))
    sockets = _sockets(port)
    return {pid for pid in map(int, filter(str.isdigit, os.listdir('/proc'))) if _open_files(pid) & sockets}


def _sockets(port: int) -> set[str]:
    rows = [row for table in Path('/proc/net').glob('tcp*') for row in table.read_text().splitlines()[1:]]
    fields = [row.split() for row in rows]
    return {
        f'socket:[{inode}]'
        for _, local, _, state, _, _, _, _, _, inode, *_ in fields
        if state == LISTEN and re.fullmatch(f'[0-9A-F]+:{port:04X}', local)
    }


def _open_files(pid: int) -> set[str]:
    files = set()
    with contextlib.suppress(OSError):  # Another user's, or one that has just ended.
        for file in Path(f'/proc/{pid}/fd').iterdir():
            with contextlib.suppress(OSError):
                files.add(os.readlink(file))
    return files
