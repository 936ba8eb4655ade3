// JSON for people to read: indented, with short values on one line.

const WIDTH = 80;

class Literal {
  constructor(source) {
    this.source = source;
  }
}

/** `text` formatted, its numbers unchanged digit for digit. Throws SyntaxError if it is not JSON. */
export function prettyJson(text) {
  const value = JSON.parse(text, (_, value, context) =>
    typeof value === 'number' && context?.source ? new Literal(context.source) : value);
  return layOut(value, '');
}

function layOut(value, indent) {
  if (value instanceof Literal) {
    return value.source;
  }
  if (typeof value !== 'object' || value === null) {
    return JSON.stringify(value);
  }
  const inside = `${indent}  `;
  const parts = partsOf(value, inside);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const line = `${open}${parts.join(', ')}${close}`;
  const isShort = indent.length + line.length <= WIDTH && !line.includes('\n');
  return isShort ? line : `${open}\n${inside}${join(parts, value, inside)}\n${indent}${close}`;
}

function partsOf(value, indent) {
  return Array.isArray(value)
    ? value.map((item) => layOut(item, indent))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${layOut(item, indent)}`);
}

/** Numbers fill the lines; anything else gets its own line. */
function join(parts, value, indent) {
  if (!Array.isArray(value) || !value.every((item) => item instanceof Literal)) {
    return parts.join(`,\n${indent}`);
  }
  const lines = [''];
  for (const [index, part] of parts.entries()) {
    const word = index < parts.length - 1 ? `${part}, ` : part;
    if (lines.at(-1) !== '' && indent.length + lines.at(-1).length + word.trimEnd().length > WIDTH) {
      lines.push('');
    }
    lines[lines.length - 1] += word;
  }
  return lines.map((line) => line.trimEnd()).join(`\n${indent}`);
}
