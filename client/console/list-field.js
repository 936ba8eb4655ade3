// A list: a row of fields for each entry, with buttons that add and remove.
import {absent, hintOf, problem} from './entry.js';
import {group} from './group.js';
import {limitsOf} from './schema.js';

const MOST_EMPTY_ROWS = 10;
const FOCUSABLE = 'input, select, textarea, button';

/** The entries of a list, each made by `make(schema, place, given)`. */
export class ListField {
  constructor(schema, place, given, make) {
    Object.assign(this, group(place, hintOf(schema.description, limitsOf(schema))), {schema, place, make});
    this.noun = schema.items.title || 'Entry';
    this.rows = [];
    this.adder = $('<button class="button outlined small" type="button">').on('click', () => this.add());
    this.adder.text(`Add ${uncapitalised(this.noun)}`).insertAfter(this.body.addClass('rows'));
  }

  add() {
    const {element} = this.append();
    this.changed();
    element.find(FOCUSABLE).first().trigger('focus');
  }

  /** Add a row with a value; without one, with the schema's. */
  append(value) {
    const place = {title: this.noun, required: true, level: this.place.level + 1};
    const inner = this.make(this.schema.items, place, value);
    const remover = $('<button class="remove" type="button">').text('×');
    const row = {inner, remover, element: $('<div class="list-row">').append(inner.element, remover)};
    if (value === undefined) {
      inner.reset();
    } else {
      inner.set(value);
    }
    remover.on('click', () => this.remove(row));
    this.rows.push(row);
    this.body.append(row.element);
    return row;
  }

  remove(row) {
    const index = this.rows.indexOf(row);
    this.rows.splice(index, 1);
    row.element.remove();
    this.changed();
    (this.rows[index]?.remover ?? this.adder).trigger('focus');
  }

  changed() {
    this.numberRows();
    this.element.trigger('change');
  }

  numberRows() {
    this.rows.forEach(({inner, remover}, index) => {
      inner.rename(`${this.noun} ${index + 1}`);
      remover.attr('aria-label', `Remove ${uncapitalised(this.noun)} ${index + 1}`);
    });
    this.adder.prop('disabled', this.rows.length >= (this.schema.maxItems ?? Infinity));
  }

  read(problems) {
    const isAbsent = this.blank() && (!this.place.required || this.schema.nullable);
    return isAbsent ? absent(this.schema, this.place) : this.rows.map(({inner}) => readRow(inner, problems));
  }

  set(values) {
    this.rows.forEach(({element}) => element.remove());
    this.rows = [];
    (Array.isArray(values) ? values : this.emptyRows(values)).forEach((value) => this.append(value));
    this.numberRows();
  }

  /** Without a value: as many rows as are required. */
  emptyRows(given) {
    const least = given === undefined && this.place.required ? this.schema.minItems ?? 0 : 0;
    return new Array(Math.min(least, MOST_EMPTY_ROWS)).fill(undefined);
  }

  blank() {
    return this.rows.length === 0;
  }

  locate(tokens) {
    const [token, ...rest] = tokens;
    return this.rows[Number(token)]?.inner.locate(rest) ?? {field: this, rest: tokens};
  }
}

/** An entry cannot be left out, because later entries would move up. */
function readRow(inner, problems) {
  const before = problems.length;
  const value = inner.read(problems);
  if (value === undefined && problems.length === before) {
    problem(problems, inner, 'Fill this in, or remove it.');
  }
  return value;
}

/** 'Flower' as within a sentence; 'DNA' stays as it is. */
function uncapitalised(noun) {
  return /^\p{Lu}\p{Ll}/u.test(noun) ? noun[0].toLowerCase() + noun.slice(1) : noun;
}
