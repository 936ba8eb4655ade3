// What a JSON Schema asks for, and the kind of field that suits it.

const MOST_LEVELS = 3; // Containers inside containers; deeper ones are edited as JSON.
const MOST_REFERENCES = 20; // From $ref to $ref; more is a cycle.
const MOST_NUMBERS_IN_FIELDS = 8; // A longer list of numbers is one text.

/** `schema` with its `$ref` followed in `root`, a lone `allOf` merged and "or null" made `nullable`. */
export function normalise(schema, root, references = 0) {
  if (typeof schema !== 'object' || schema === null || references > MOST_REFERENCES) {
    return {};
  }
  const {$ref, allOf, ...rest} = schema;
  if (typeof $ref === 'string') {
    return {...normalise(lookUp($ref, root), root, references + 1), ...normalise({allOf, ...rest}, root)};
  }
  if (allOf?.length === 1) {
    return {...normalise(allOf[0], root, references + 1), ...rest};
  }
  return withoutNull(schema, root, references);
}

function lookUp(reference, root) {
  if (!/^#(\/|$)/.test(reference)) {
    return {};
  }
  const own = (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);
  return tokensOf(decodeURIComponent(reference.slice(1))).reduce(own, root);
}

/** The steps of a JSON Pointer (RFC 6901). */
export function tokensOf(pointer) {
  return pointer.split('/').slice(1).map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function isObject(value) {
  return typeof value === 'object' && value !== null;
}

function withoutNull(schema, root, references) {
  const {type, anyOf, oneOf, ...rest} = schema;
  if (Array.isArray(type)) {
    const others = type.filter((name) => name !== 'null');
    const one = others.length === 1 ? others[0] : type;
    return {...schema, type: one, nullable: type.includes('null')};
  }
  const branches = anyOf ?? oneOf;
  if (branches?.length === 2 && branches.some(isNull)) {
    const other = normalise(branches.find((branch) => !isNull(branch)), root, references + 1);
    return {...other, ...rest, nullable: true};
  }
  return schema;
}

function isNull(schema) {
  return schema?.type === 'null';
}

/** 'text', 'file', 'number', 'boolean', 'choice', 'numbers', 'list', 'object' or 'json', for a normalised schema. */
export function kindOf(schema, root, level) {
  if (choicesOf(schema)) {
    return 'choice';
  }
  if (hasAlternatives(schema)) {
    return 'json';
  }
  const kinds = {string: 'text', number: 'number', integer: 'number', boolean: 'boolean'};
  const type = schema.type ?? guessType(schema);
  if (schema.contentEncoding === 'base64' && type === 'string') {
    return 'file';
  }
  if (Object.hasOwn(kinds, type)) {
    return kinds[type];
  }
  return containerKind(type, schema, root, level);
}

function containerKind(type, schema, root, level) {
  if (type === 'array' && isObject(schema.items) && !schema.prefixItems) {
    const isLong = (schema.maxItems ?? Infinity) > MOST_NUMBERS_IN_FIELDS;
    if ((isLong || level > MOST_LEVELS) && holdsNumbers(schema, root)) {
      return 'numbers';
    }
    return level > MOST_LEVELS ? 'json' : 'list';
  }
  const hasFields = type === 'object' && Object.keys(schema.properties ?? {}).length > 0;
  return hasFields && level <= MOST_LEVELS ? 'object' : 'json';
}

function holdsNumbers(schema, root) {
  const items = normalise(schema.items, root);
  return ['number', 'integer'].includes(items.type) && !items.nullable && !choicesOf(items);
}

function guessType(schema) {
  if (schema.properties) {
    return 'object';
  }
  return schema.items ? 'array' : undefined;
}

/** Whether the schema has alternatives; those that only list what is required do not change the fields. */
function hasAlternatives(schema) {
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  const adds = (branch) => Object.keys(branch).some((keyword) => !['required', 'not'].includes(keyword));
  return branches.some(adds);
}

/** The values to choose from, each `{value, title}`; undefined if the schema does not list them. */
export function choicesOf(schema) {
  const titled = schema.oneOf ?? schema.anyOf;
  if (titled?.length > 0 && titled.every((branch) => isObject(branch) && Object.hasOwn(branch, 'const'))) {
    return titled.map((branch) => ({value: branch.const, title: branch.title ?? inWords(branch.const)}));
  }
  if (schema.type === 'null') {
    return [{value: null, title: 'null'}];
  }
  const values = Object.hasOwn(schema, 'const') ? [schema.const] : schema.enum;
  return values?.map((value) => ({value, title: inWords(value)}));
}

function inWords(value) {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
}

/** The initial value if none is given; undefined if the schema has none. */
export function firstValue(schema) {
  return schema.default ?? schema.examples?.[0];
}

/** The bounds of `schema` in a few words. */
export function limitsOf(schema) {
  return [
    schema.exclusiveMinimum !== undefined && `more than ${schema.exclusiveMinimum}`,
    range(schema.minimum, schema.maximum),
    schema.exclusiveMaximum !== undefined && `less than ${schema.exclusiveMaximum}`,
    schema.multipleOf !== undefined && `a multiple of ${schema.multipleOf}`,
    range(schema.minLength, schema.maxLength, 'character'),
    // One entry is always needed.
    range(schema.minItems > 1 ? schema.minItems : undefined, schema.maxItems, 'entry'),
    FORMATS[schema.format],
  ].filter(Boolean).join(', ');
}

const FORMATS = {
  'date-time': 'such as 2026-01-31T12:00:00Z',
  'time': 'such as 12:00:00Z',
  'duration': 'such as P1DT12H',
  'uuid': 'such as 123e4567-e89b-12d3-a456-426614174000',
};

/** 'at least 3 numbers', '1 to 9', ...; false if there are no bounds. */
export function range(least, most, unit) {
  const counted = (number) => (unit ? `${number} ${plural(number, unit)}` : `${number}`);
  if (least !== undefined && most !== undefined) {
    return least === most ? counted(least) : `${least} to ${counted(most)}`;
  }
  const above = least !== undefined && `at least ${counted(least)}`;
  return above || (most !== undefined && `at most ${counted(most)}`);
}

function plural(number, unit) {
  return number === 1 ? unit : unit.replace(/y$/, 'ie') + 's';
}
