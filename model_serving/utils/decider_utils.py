"""Decides whether a value is valid under a schema: `jsonschema_rs`, helped by numpy with many numbers."""

import contextlib
import struct
from typing import Any

import jsonschema_rs

from model_serving.utils.bounds_utils import can_check, take_ranges


class Decider:
    """A schema of draft 2020-12, with `format` asserted. Raises what jsonschema_rs raises for a wrong one."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.whole = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
        rest, self._ranges = take_ranges(schema)
        self._rest = jsonschema_rs.Draft202012Validator(rest, validate_formats=True, offline=True)

    def is_valid(self, instance: Any, many: bool) -> bool:
        """Whether `instance` is valid; `many` says that it may hold many numbers."""
        if many and self._ranges and can_check():
            if not self._rest.is_valid(instance):
                return False
            with contextlib.suppress(OverflowError, struct.error):
                return all(bounds.holds_in(instance) for bounds in self._ranges)
        return self.whole.is_valid(instance)
