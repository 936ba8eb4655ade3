// A number, whole or not.
import {absent, hintOf, leaf, problem} from './entry.js';
import {INEXACT, isInexact} from './exact-numbers.js';
import {limitsOf} from './schema.js';

/** A number. Its bounds limit the field's arrows; the service validates what is typed. */
export function numberField(schema, place) {
  const control = $('<input type="number">').attr(boundsOf(schema));
  const field = leaf(control, place, hintOf(schema.description, limitsOf(schema)));
  field.read = (problems) => {
    const text = control.val();
    if (control[0].validity.badInput) {
      return problem(problems, field, 'Enter a number.');
    }
    if (text === '') {
      return absent(schema, place);
    }
    return isInexact(Number(text)) ? problem(problems, field, INEXACT) : Number(text);
  };
  return field;
}

function boundsOf({type, multipleOf: step, minimum, maximum, exclusiveMinimum, exclusiveMaximum}) {
  const least = minimum ?? (type === 'integer' ? exclusiveMinimum + 1 : exclusiveMinimum);
  const most = maximum ?? (type === 'integer' ? exclusiveMaximum - 1 : exclusiveMaximum);
  return {
    // The arrows count from the minimum, so it must be a multiple of the step.
    min: shownBound(step ? Math.ceil(least / step) * step : least),
    max: shownBound(most),
    step: step ?? (type === 'integer' ? 1 : stepWithin(most - least)),
    inputmode: 'decimal',
  };
}

function shownBound(bound) {
  return Number.isFinite(bound) ? bound : null;
}

function stepWithin(width) {
  return width <= 1 ? 0.01 : width <= 20 ? 0.1 : 'any';
}
