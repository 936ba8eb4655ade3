// A long list of numbers as one text, convenient for pasting.
import {hintOf, leaf, problem} from './entry.js';
import {isInexact} from './exact-numbers.js';
import {range} from './schema.js';

const MOST_REPEATED = 40; // Characters of text that is not a number.
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Numbers, separated by any other characters. */
export function numbersField(schema, place, given) {
  const count = given?.length || schema.minItems || 0;
  const control = $('<textarea class="numbers" spellcheck="false">').attr('rows', rowsFor(count));
  const field = leaf(control, place, hintOf(schema.description, numbersHint(schema)));
  field.read = (problems) => {
    const texts = control.val().split(/[\s,;[\]]+/).filter(Boolean);
    const wrong = texts.findIndex((text) => !NUMBER.test(text) || isInexact(Number(text)));
    if (wrong >= 0) {
      const text = texts[wrong].slice(0, MOST_REPEATED);
      return problem(problems, field, `Number ${wrong + 1} is not one that can be sent: ${text}`);
    }
    return texts.length === 0 && !place.required ? undefined : texts.map(Number);
  };
  field.set = (numbers) => control.val(Array.isArray(numbers) ? inLines(numbers) : '');
  field.wordPath = ([index]) => `Number ${Number(index) + 1}: `;
  return field;
}

function numbersHint(schema) {
  const count = range(schema.minItems, schema.maxItems, 'number');
  return `${count || 'numbers'}, separated by spaces or commas`;
}

function rowsFor(count) {
  return isSquare(count) ? Math.sqrt(count) : Math.min(Math.max(Math.ceil(count / 10), 2), 8);
}

function isSquare(count) {
  return count >= 16 && count <= 256 && Number.isInteger(Math.sqrt(count));
}

/** A square of integers, such as an image, as rows and columns; anything else as one line, which wraps. */
function inLines(numbers) {
  if (!isSquare(numbers.length) || !numbers.every(Number.isInteger)) {
    return numbers.join(', ');
  }
  const width = Math.max(...numbers.map((number) => String(number).length));
  const cells = numbers.map((number) => String(number).padStart(width));
  const side = Math.sqrt(cells.length);
  const line = (_, row) => cells.slice(row * side, (row + 1) * side).join(' ');
  return Array.from({length: side}, line).join('\n');
}
