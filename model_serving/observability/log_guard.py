"""Keeps the log as the program has set it up: a model that sets logging up anew silences nothing.

`dictConfig`, `basicConfig(force=True)`, `logging.disable` and the like act on the whole process. What the
service logs with is compared after each model's load, at each crash and with each request, and set back.
"""

import logging
import sys

OWN = ('access', 'engine', 'main', 'metrics', 'service', 'gunicorn.error')
"""The loggers of the service itself, besides the root and those that are named after models."""


class LogGuard:
    """Remembers how logging is set up now; more may be logged later, and by more handlers, but not less."""

    def __init__(self) -> None:
        self._root, self._access = logging.getLogger(), logging.getLogger('access')
        self._disable = self._root.manager.disable
        self._level = self._root.level
        self._root_handlers = list(self._root.handlers)
        loggers = list(map(logging.getLogger, OWN))
        self._own = [(each, list(each.handlers), each.level, each.propagate) for each in loggers]
        self._filters = [(each, list(each.filters)) for each in (self._root, *loggers, *self._root_handlers)]
        self._ways = [(each, each.level, each.formatter) for each in self._root_handlers]
        self._disabled = _disabled()
        self._told: set[str] = set()
        # The handlers of pytest come and go with each test, which sets their levels for itself.
        self._is_of_pytest = any(type(each).__module__.startswith('_pytest') for each in self._root_handlers)

    def check(self, name: str) -> None:
        """Set back what has changed, and log once that it was while `name` was loading or answering."""
        if self._is_of_pytest:
            return
        changes = [*self._set_root_back(), *self._set_own_back(), *self._set_ways_back()]
        told = f'{name}: {changes}'
        if changes and told not in self._told:
            self._told.add(told)
            advice = 'which is set back; configure it in conf/logging.conf'
            message = '%s has changed the logging of the whole process (%s), %s'
            logging.getLogger('main').warning(message, name, ', '.join(changes), advice)

    def _set_root_back(self) -> list[str]:
        changes, root, own = [], self._root, self._root_handlers
        if root.manager.disable > self._disable:
            logging.disable(self._disable)
            changes.append('logging.disable')
        if any(handler not in root.handlers for handler in own):
            # A new handler for the console would write each line a second time.
            added = [each for each in root.handlers if each not in own and not _is_of_console(each)]
            root.handlers[:] = own + added
            changes.append('the handlers of the root logger')
        self._root_handlers = list(root.handlers)
        if root.level > self._level:
            root.setLevel(self._level)
            changes.append('the level of the root logger')
        return changes

    def _set_own_back(self) -> list[str]:
        changes = []
        if self._access.disabled:
            for logger in _disabled() - self._disabled:
                logger.disabled = False
            changes.append('disabled loggers')
        self._disabled = _disabled()
        for logger, handlers, level, propagate in self._own:
            is_silent = logger.level > max(level, self._level) or logger.propagate < propagate
            if is_silent or logger.disabled or any(handler not in logger.handlers for handler in handlers):
                logger.setLevel(level)
                logger.disabled, logger.propagate, logger.handlers[:] = False, propagate, handlers
                changes.append(f'the logger {logger.name}')
        return changes

    def _set_ways_back(self) -> list[str]:
        changes = []
        for each, filters in self._filters:
            if each.filters != filters:
                each.filters[:] = filters
                changes.append('the filters of a logger or handler')
        for handler, level, formatter in self._ways:
            if handler.level > level or handler.formatter is not formatter:
                handler.setLevel(min(handler.level, level))
                handler.setFormatter(formatter)
                changes.append('the level or formatter of a handler')
        return changes


def _disabled() -> set[logging.Logger]:
    loggers = list(logging.getLogger().manager.loggerDict.values())
    return {each for each in loggers if isinstance(each, logging.Logger) and each.disabled}


def _is_of_console(handler: logging.Handler) -> bool:
    return getattr(handler, 'stream', None) in (sys.stdout, sys.stderr)


_guard: LogGuard | None = None


def guard_logging() -> LogGuard:
    """Keep logging as it is now."""
    global _guard  # noqa: PLW0603
    _guard = LogGuard()
    return _guard


def check_logging(name: str) -> None:
    """Set logging back if it has been changed; `name` is the model that is loading or has crashed."""
    if _guard is not None:
        _guard.check(name)
