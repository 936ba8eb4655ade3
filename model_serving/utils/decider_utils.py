"""Decides whether a value is valid under a schema: `jsonschema_rs`, helped by numpy with many numbers."""

import contextlib
import struct
from typing import Any

import jsonschema_rs

from model_serving.utils.bounds_utils import can_check, take_ranges
from model_serving.utils.table_utils import tables_in


class Decider:
    """A schema of draft 2020-12, with `format` asserted. Raises what jsonschema_rs raises for a wrong one."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.whole = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
        rest, self._ranges = take_ranges(schema)
        self._rest = jsonschema_rs.Draft202012Validator(rest, validate_formats=True, offline=True)
        self.tables = tables_in(schema)
        self._bounded_tables = [table.within(self._ranges) for table in self.tables]
        of_tables = {table.numbers_path for table in self.tables}
        self._other_ranges = [bounds for bounds in self._ranges if bounds.path not in of_tables]

    def is_valid(self, instance: Any, many: bool) -> bool:
        """Whether `instance` is valid; `many` says that it may hold many numbers."""
        if many and self._ranges and can_check():
            if not self._rest.is_valid(instance):
                return False
            with contextlib.suppress(OverflowError, struct.error):
                return all(bounds.holds_in(instance) for bounds in self._ranges)
        return self.whole.is_valid(instance)

    def take_arrays(self, body: Any, many: bool) -> bool:
        """Whether `body` is valid; if so, numpy arrays take the place of its tables.

        That costs less than `is_valid` and making the arrays afterwards.
        """
        if not (self._rest if many else self.whole).is_valid(body):
            return False
        tables = self._bounded_tables if many else self.tables
        holders = [(table, table.holder_in(body)) for table in tables]
        found = [(table, holder, table.array_in(holder)) for table, holder in holders if holder is not None]
        if any(array is None for _, _, array in found):
            return False
        if many and not all(bounds.holds_in(body) for bounds in self._other_ranges):
            return False
        for table, holder, array in found:
            holder[table.path[-1]] = array
        return True
