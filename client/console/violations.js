// Shows the violations beside their fields.
import {addError} from './entry.js';
import {tokensOf} from './schema.js';

const MISSING = /^(['"])(.*)\1 is a required property$/s;

/** Show the errors of a refusal in `form`. Returns their fields, in order. */
export function showViolations(form, {message, errors}) {
  const violations = Array.isArray(errors) ? errors : [{pointer: '', message}];
  return violations.map((violation) => show(form, violation)).filter(Boolean);
}

function show(form, {pointer, message}) {
  const tokens = tokensOf(String(pointer));
  const missing = MISSING.exec(message)?.[2];
  const {field, rest} = form.locate(missing === undefined ? tokens : [...tokens, missing]);
  if (field === form) {
    return undefined; // It concerns the whole, and is shown at the top of the card.
  }
  const isMissing = rest.length === 1 && rest[0] === missing;
  addError(field, `${rest.length > 0 && !isMissing ? where(field, rest) : ''}${message}`);
  return field;
}

function where(field, rest) {
  return field.wordPath?.(rest) ?? `At ${rest.join('/')}: `;
}
