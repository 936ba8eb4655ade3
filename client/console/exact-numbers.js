// Which numbers a browser sends as they were typed: it has doubles, and no other numbers.

export const INEXACT = 'A browser cannot send this number exactly; use curl.';

/** Whether `number` may be another than what was typed. */
export function isInexact(number) {
  return !Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number));
}
