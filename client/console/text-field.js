// A string: one line or several, with the keyboard and the picker of its format.
import {absent, hintOf, leaf} from './entry.js';
import {limitsOf} from './schema.js';

const LONG_TEXT = 80; // Characters; a longer text gets several lines.
const LONG_LIMIT = 200;
const INPUT_TYPES = {'email': 'email', 'idn-email': 'email', 'uri': 'url', 'iri': 'url', 'date': 'date'};

/** A string. `given` is the first value, which decides how many lines it gets. */
export function textField(schema, place, given) {
  const isLong = isLongText(schema, given);
  const control = isLong ? $('<textarea rows="4">') : $('<input>').attr('type', inputType(schema));
  const limits = limitsOf({...schema, maxLength: undefined});
  const field = leaf(control, place, hintOf(schema.description, limits));
  field.read = () => {
    const text = control.val();
    return text === '' && (schema.nullable || !place.required) ? absent(schema, place) : text;
  };
  if (schema.maxLength !== undefined) {
    countCharacters(field, schema.maxLength);
  }
  return field;
}

function isLongText(schema, given) {
  const shown = typeof given === 'string' ? given : '';
  return schema.maxLength >= LONG_LIMIT || shown.length > LONG_TEXT || shown.includes('\n');
}

function inputType(schema) {
  return Object.hasOwn(INPUT_TYPES, schema.format) ? INPUT_TYPES[schema.format] : 'text';
}

/** Count code points, as JSON Schema does. The field allows more, and says so. */
function countCharacters(field, most) {
  const count = $('<span class="count">').appendTo(field.element);
  const show = () => {
    const length = [...field.control.val()].length;
    count.text(`${length} / ${most}`).toggleClass('over', length > most);
  };
  field.control.on('input', show);
  field.shown = show;
  show();
}
