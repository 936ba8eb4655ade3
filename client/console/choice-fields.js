// Fields for choosing one of a few values: enums, constants, booleans.
import {absent, hintOf, leaf} from './entry.js';
import {choicesOf} from './schema.js';

/** One of the values that the schema lists. */
export function choiceField(schema, place) {
  return selectField(schema, place, choicesOf(schema));
}

/** A boolean: a checkbox or, if it is optional, a choice, since an empty checkbox would mean false. */
export function booleanField(schema, place) {
  if (!place.required || schema.nullable) {
    return selectField(schema, place, [{value: true, title: 'true'}, {value: false, title: 'false'}]);
  }
  const control = $('<input type="checkbox">');
  const field = leaf(control, place, hintOf(schema.description));
  field.element.addClass('tick');
  return Object.assign(field, {
    read: () => control.prop('checked'),
    set: (value) => control.prop('checked', value === true),
    blank: () => !control.prop('checked'),
  });
}

function selectField(schema, place, choices) {
  const control = $('<select>');
  const field = leaf(control, place, hintOf(schema.description));
  const isFixed = place.required && choices.length === 1 && !schema.nullable;
  if (!isFixed) {
    $('<option value="">').text(place.required ? 'Choose' : 'Not sent').appendTo(control);
  }
  choices.forEach(({title}, index) => $('<option>').val(index).text(title).appendTo(control));
  return Object.assign(field, {
    read: () => (control.val() === '' ? absent(schema, place) : choices[Number(control.val())].value),
    set: (value) => control.val(isFixed ? 0 : indexOf(choices, value)),
    // A constant does not count as filled in.
    blank: () => control.val() === '' || isFixed,
  });
}

function indexOf(choices, value) {
  const json = JSON.stringify(value);
  const index = choices.findIndex((choice) => JSON.stringify(choice.value) === json);
  return index < 0 ? '' : index;
}
