"""The log of the service in the background: what it says since a moment."""

import re
from pathlib import Path

from model_serving.commands.background import LOG_FILE

LAST_LINES = 20
LISTENING = re.compile(r'Listening at: ([^\s,]+)')
STEP = re.compile(r'\b(loading|ready:) (\w[\w-]*)')
FRAME_AND_ERROR = re.compile(r'^  File "[^\n]*\n(?:    [^\n]*\n)*\S[^\n]*', re.MULTILINE)
TELLING = r'\[CRITICAL\]|"severity": ?"CRITICAL"', r'^[A-Za-z_.]+(Error|Exception): ', r'\[ERROR\]'


class Log:
    """What is written to the log from now on; of a log that is given, all."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or LOG_FILE
        self._begin = self._file.stat().st_size if file is None and self._file.exists() else 0

    def text(self) -> str:
        """All of that; what is left of it, if the log has been emptied meanwhile."""
        if not self._file.exists():
            return ''
        with self._file.open('rb') as file:
            file.seek(self._begin if self._begin <= self._file.stat().st_size else 0)
            return file.read().decode(errors='replace')

    def address(self) -> str | None:
        """Where gunicorn says that it listens, such as http://0.0.0.0:9999 or unix:/run/service."""
        found = LISTENING.search(self.text())
        return found[1] if found else None

    def loading(self) -> str:
        """The model that is being loaded, as far as the log says."""
        steps = STEP.findall(self.text())
        return steps[-1][1] if steps and steps[-1][0] == 'loading' else ''

    def error(self) -> str:
        """The place and the error of the first traceback; where there is none, what `reason` says."""
        found = FRAME_AND_ERROR.search(self.text())
        return found[0] if found else self.reason()

    def reason(self) -> str:
        """The line that says most of what went wrong, or the last ones."""
        lines = self.text().splitlines()
        for telling in TELLING:
            if found := [line for line in lines if re.search(telling, line)]:
                return found[0]
        return '\n'.join(lines[-LAST_LINES:])
