// What containers of fields share: a fieldset with a legend, a hint and an error for the whole.
import {entryId, name} from './entry.js';

/** A fieldset named by its place; the outermost has no name, since the card has one. */
export function group(place, hint = '') {
  const id = entryId();
  const control = $('<fieldset>').attr('aria-describedby', `${id}-hint ${id}-error`);
  const parts = {
    element: control,
    control,
    label: $('<legend>'),
    hint: $('<p class="hint">').attr('id', `${id}-hint`).text(hint),
    error: $('<p class="field-error">').attr('id', `${id}-error`),
    body: $('<div class="fields">'),
  };
  if (place.title) {
    name(parts, place);
    control.append(parts.label);
  }
  control.append(parts.hint, parts.body, parts.error);
  parts.rename = (title) => name(parts, {...place, title});
  return parts;
}
