// What of a form can be sent as multipart/form-data, with its files as files.

const PLAIN_NAME = /^[\w.-]+$/;

/**
 * The parts `[name, file or text]` that send `value`, which the fields of `schema` have.
 * Undefined if they have no file that a form can send as such: further inside, files are in JSON.
 */
export function formParts(form, schema, value) {
  const names = Object.keys(value ?? {});
  const parts = names.flatMap((name) => partsOf(form.fields?.get(name), schema.properties?.[name], name, value[name]));
  const hasFile = parts.some((part) => part?.[1] instanceof File);
  return hasFile && parts.every(Boolean) && names.every((name) => PLAIN_NAME.test(name)) ? parts : undefined;
}

function partsOf(field, schema, name, value) {
  const rows = field?.rows?.map(({inner}) => inner) ?? [];
  if (field?.file || rows.some(({file}) => file)) {
    const takesFiles = (field.file ? schema : schema.items)?.contentEncoding === 'base64';
    return (field.file ? [field] : rows).map(({file}) => takesFiles && file && [name, file]);
  }
  return [[name, schema?.type === 'string' ? value : JSON.stringify(value)]];
}
