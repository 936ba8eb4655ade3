"""One JSON Schema, compiled once: `jsonschema_rs` decides, `jsonschema` words the refusal.

`jsonschema_rs` checks 512 images for DigitsModel (606 kB) in 2 ms, `jsonschema` in 244 ms; but the messages
of `jsonschema` are the contract. So the slow one runs only on what was refused, and there only on the parts
that the fast one finds broken: on all of them in a small body, on the first in a large one.
"""

import contextlib
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from model_serving.utils.decider_utils import Decider
from model_serving.utils.echo_utils import cut
from model_serving.utils.effort_utils import MAX_DEPTH, TooDeepError, UnwordableError
from model_serving.utils.subschema_utils import pointer
from model_serving.utils.wording_utils import Violation, Worder

MANY_NUMBERS_BYTES = 2048
"""From this size on, numpy checks the bounds of the numbers in arrays."""

WHOLE_BODY_BYTES = 64 * 1024
"""Up to this size `jsonschema` looks at the whole body for its best match."""


NO_TABLES = (
    'arrays=True, but no property is an array of numbers, or an array of rows of numbers, all of one length '
    '(minItems equal to maxItems)'
)


class BadSchema(Exception):
    """A schema is wrong; the message names the place in it."""


class CompiledSchema:
    """A JSON Schema of draft 2020-12, with `format` asserted.

    Raises BadSchema, with the place of the mistake, for a schema (or an example in it) that is wrong.
    """

    def __init__(self, schema: dict[str, Any], arrays: bool = False) -> None:
        if not isinstance(schema, dict):
            raise BadSchema(f'a dict is due, as in @validate_json(schema), not {schema!r}')
        try:
            Draft202012Validator.check_schema(schema, format_checker=None)
            self._decider = Decider(schema)
            self._worder = Worder(schema)
        except SchemaError as error:
            raise BadSchema(f'{error.message} (at {pointer(error.absolute_path) or "the top"})') from error
        except jsonschema_rs.ValidationError as error:
            raise BadSchema(f'{error.message} (at {pointer(error.instance_path) or "the top"})') from error
        except (TypeError, ValueError, jsonschema_rs.ReferencingError) as error:
            raise BadSchema(str(error)) from error
        self._check_examples(schema.get('examples', []))
        if arrays and not self._decider.tables:
            raise BadSchema(NO_TABLES)
        self._arrays = arrays

    def refusals(self, body: Any, body_bytes: int) -> list[Violation]:
        """What is wrong with a request's body, as `violations`; a valid one gets its arrays, if so asked."""
        if self._arrays and self._decider.take_arrays(body, many=body_bytes > MANY_NUMBERS_BYTES):
            return []
        return self.violations(body, body_bytes)

    def violations(self, instance: Any, body_bytes: int = 0) -> list[Violation]:
        """What is wrong with `instance`, the best match first; an empty list when it is valid.

        `body_bytes` is the size of the body that `instance` was read from.
        """
        if self._decider.is_valid(instance, many=body_bytes > MANY_NUMBERS_BYTES):
            return []
        try:
            return self._in_words(instance, body_bytes)
        except TooDeepError:
            return [Violation('', f'The body breaks the schema, more than {MAX_DEPTH} levels down')]
        except Exception:  # UnwordableError, an unknown $ref, RecursionError, re.error, ...
            return [self._in_plain_words(instance)]

    def _in_words(self, instance: Any, body_bytes: int) -> list[Violation]:
        if body_bytes <= WHOLE_BODY_BYTES:
            with contextlib.suppress(UnwordableError):
                return self._worder.all_violations(instance)
        return [self._worder.first_violation(instance)]

    def _in_plain_words(self, instance: Any) -> Violation:
        try:
            self._decider.whole.validate(instance)
        except jsonschema_rs.ValidationError as error:
            return Violation(pointer(error.instance_path), cut(error.message))
        except ValueError:  # Nested too deeply for an error to be made.
            pass
        return Violation('', 'The body breaks the schema')

    def _check_examples(self, examples: list[Any]) -> None:
        for index, example in enumerate(examples):
            for violation in self.violations(example):
                place = f'/examples/{index}{violation.pointer}'
                raise BadSchema(f'{violation.message} (at {place}: the example breaks the schema)')
