"""What becomes of a reload: in the log, for systemd, and for `model-serving reload`, which waits for it."""

import contextlib
import json
import logging
from typing import Any

from gunicorn.systemd import sd_notify

SUFFIX = '.reload'
"""Of the file beside the pid file: a line of JSON for each step."""


LEVELS = {'unready': logging.ERROR, 'failed': logging.CRITICAL}
"""Of the ends that are not 'done': some models do not answer, as before; or nothing is new."""


class Outcome:
    """Says what becomes of a reload: that it has 'begun', each 'step', and how it ends."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def tell(self, event: str, text: str) -> None:
        """Say this."""
        log, pidfile = self._server.log, self._server.cfg.pidfile
        words = f'Reload: {text}'
        if event == 'failed':
            words = f'Reload failed: {text}; what served before serves on'
        log.log(LEVELS.get(event, logging.INFO), '%s', words)
        sd_notify(f'STATUS={" ".join(words.split())}', log)
        if pidfile:
            with contextlib.suppress(OSError), open(f'{pidfile}{SUFFIX}', 'a', encoding='utf-8') as file:
                file.write(json.dumps({'event': event, 'text': text}) + '\n')
