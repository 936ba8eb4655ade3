// The JSON editor, for values without fields of their own.
import {addError, clearErrors, hintOf, leaf, problem} from './entry.js';
import {INEXACT, isInexact} from './exact-numbers.js';
import {prettyJson} from './pretty-json.js';

const EMPTY = {object: {}, array: []};

/** A text of JSON, checked while typing. */
export function jsonField(schema, place, given) {
  const control = $('<textarea class="json" spellcheck="false">').attr('rows', 4);
  const field = leaf(control, place, hintOf(schema.description, 'as JSON'));
  control.on('input', () => {
    clearErrors(field.element);
    parse(control.val(), (message) => addError(field, message));
  });
  field.read = (problems) => {
    if (control.val().trim() === '') {
      return place.required ? problem(problems, field, 'Enter JSON.') : undefined;
    }
    return parse(control.val(), (message) => problem(problems, field, message));
  };
  field.set = (value) => {
    const text = value === undefined ? '' : prettyJson(JSON.stringify(value));
    control.val(text).attr('rows', Math.min(Math.max(text.split('\n').length, 4), 14));
  };
  field.reset = () => field.set(place.required ? EMPTY[schema.type] : undefined);
  field.set(given);
  return field;
}

function parse(text, onError) {
  if (text.trim() === '') {
    return undefined;
  }
  try {
    return JSON.parse(text, exactly);
  } catch (error) {
    return onError(error instanceof RangeError ? error.message : `This is not JSON: ${error.message}`);
  }
}

function exactly(_, value) {
  if (typeof value === 'number' && isInexact(value)) {
    throw new RangeError(INEXACT);
  }
  return value;
}
