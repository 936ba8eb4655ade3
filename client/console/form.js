// From a JSON Schema to a form, and from the form to JSON.
import {booleanField, choiceField} from './choice-fields.js';
import {fileField} from './file-field.js';
import {jsonField} from './json-field.js';
import {ListField} from './list-field.js';
import {numberField} from './number-field.js';
import {numbersField} from './numbers-field.js';
import {ObjectField} from './object-field.js';
import {firstValue, kindOf, normalise} from './schema.js';
import {textField} from './text-field.js';

const FIELDS = {
  text: textField,
  file: fileField,
  number: numberField,
  boolean: booleanField,
  choice: choiceField,
  numbers: numbersField,
  list: (...given) => new ListField(...given),
  object: (...given) => new ObjectField(...given),
  json: jsonField,
};

/**
 * The fields of a schema, filled in with `example`.
 *
 * A field has `element` (its DOM), `read(problems)` (its value, undefined if nothing is to be sent; errors
 * are added to `problems`), `set(value)`, `reset()` (to the schema's value), `blank()`, `rename(title)` and
 * `locate(tokens)`: the field that a JSON Pointer leads to, and the rest of the pointer.
 */
export function makeForm(root, example) {
  const make = (schema, place, given) => {
    const known = normalise(schema, root);
    const kind = kindOf(known, root, place.level);
    const items = known.items && {items: withTitle(known.items, root)};
    const value = given ?? firstValue(known);
    const field = FIELDS[kind]({...known, ...items}, place, value, make);
    const first = firstValue(known);
    // Containers ask the fields inside them.
    if (first !== undefined || !field.reset) {
      field.reset = () => field.set(first);
    }
    return field;
  };
  // The card has the title and the description.
  const top = {...normalise(root, root), title: undefined, description: undefined};
  const isGroup = ['object', 'list'].includes(kindOf(top, root, 1));
  const place = {title: isGroup ? '' : 'Request', required: true, level: 1};
  const form = make(top, place, example);
  if (example === undefined) {
    form.reset();
  } else {
    form.set(example);
  }
  return form;
}

/** The title of a list's items, even behind a $ref. */
function withTitle(items, root) {
  return {title: normalise(items, root).title, ...items};
}
