// An object: its properties as fields.
import {absent, hintOf} from './entry.js';
import {group} from './group.js';
import {isObject} from './schema.js';

/** The properties of `schema`, each made by `make(schema, place, given)`. */
export class ObjectField {
  constructor(schema, place, given, make) {
    Object.assign(this, group(place, hintOf(schema.description)), {schema, place});
    this.fields = new Map(fieldsOf(schema, place, given, make));
    this.others = []; // Given properties that the schema does not name: they are sent unchanged.
    this.body.append([...this.fields.values()].map(({element}) => element));
  }

  read(problems) {
    if (this.blank() && (!this.place.required || this.schema.nullable)) {
      return absent(this.schema, this.place);
    }
    const entries = [...this.fields].map(([property, field]) => [property, field.read(problems)]);
    return Object.fromEntries([...entries.filter(([, value]) => value !== undefined), ...this.others]);
  }

  set(value) {
    const values = entriesOf(value);
    this.fields.forEach((field, property) => field.set(values.get(property)));
    this.others = [...values].filter(([property]) => !this.fields.has(property));
  }

  reset() {
    this.fields.forEach((field) => field.reset());
    this.others = [];
  }

  blank() {
    return this.others.length === 0 && [...this.fields.values()].every((field) => field.blank());
  }

  locate(tokens) {
    const [token, ...rest] = tokens;
    return this.fields.get(token)?.locate(rest) ?? {field: this, rest: tokens};
  }
}

function fieldsOf(schema, place, given, make) {
  const required = new Set(schema.required ?? []);
  const values = entriesOf(given);
  return Object.entries(schema.properties).map(([property, inner]) => {
    const at = {title: inner?.title ?? property, required: required.has(property), level: place.level + 1};
    return [property, make(inner, at, values.get(property))];
  });
}

function entriesOf(value) {
  return new Map(isObject(value) && !Array.isArray(value) ? Object.entries(value) : []);
}
