// What all fields look like: a control with its label, hint and error.

let made = 0;

/** An id that is unique in the page. */
export function entryId() {
  made += 1;
  return `field-${made}`;
}

/** Put `control` under its label. Returns the parts: {element, control, label, hint, error}. */
export function entry(control, place, hint = '') {
  const id = entryId();
  const parts = {
    element: $('<div class="entry">'),
    control: control.attr({id, 'aria-describedby': `${id}-hint ${id}-error`, 'placeholder': ' '}),
    label: $('<label>').attr('for', id),
    hint: $('<p class="hint">').attr('id', `${id}-hint`).text(hint),
    error: $('<p class="field-error">').attr('id', `${id}-error`),
  };
  name(parts, place);
  const box = $('<div class="field">').append(control, parts.label);
  parts.element.append(box, parts.hint, parts.error);
  return parts;
}

/** Label `parts` with the title of its place; optional fields are marked, since most are required. */
export function name(parts, place) {
  parts.label.text(place.title);
  if (!place.required) {
    $('<span class="optional">').text(' (optional)').appendTo(parts.label);
  }
}

/** The hint of a field: its description and its limits, one sentence each. */
export function hintOf(description, limits) {
  const sentence = limits && `${limits[0].toUpperCase()}${limits.slice(1)}.`;
  return [description, sentence].filter(Boolean).join(' ');
}

/** Show an error beside the field, one line each if there are several. */
export function addError(field, message) {
  const known = field.error.text();
  field.error.text(known ? `${known}\n${message}` : message);
  field.control.attr('aria-invalid', 'true');
}

/** Clear the errors of the fields in `element`. */
export function clearErrors(element) {
  element.find('.field-error').text('');
  element.find('[aria-invalid]').removeAttr('aria-invalid');
}

/** Note an error of a field that is found before sending. */
export function problem(problems, field, message) {
  problems.push({field, message});
}

/** What simple fields share: `set` shows a value, `blank` says whether there is none. */
export function leaf(control, place, hint) {
  const field = entry(control, place, hint);
  return Object.assign(field, {
    set: (value) => showText(field, value),
    blank: () => control.val() === '',
    rename: (title) => name(field, {...place, title}),
    locate: (tokens) => ({field, rest: tokens}),
  });
}

function showText(field, value) {
  const text = value === undefined || value === null ? '' : String(value);
  field.control.val(text);
  if (field.control.val() !== text && field.control.is('input')) {
    field.control.attr('type', 'text').val(text); // Such as an example that is not a date.
  }
  field.shown?.();
}

/** The value of an empty field: null if the schema asks for it, otherwise nothing is sent. */
export function absent(schema, place) {
  return place.required && schema.nullable ? null : undefined;
}
