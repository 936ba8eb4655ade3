// Which numbers a browser can send as they were typed: it stores all numbers as doubles.

export const INEXACT = 'A browser cannot send this number exactly; use curl.';

/** Whether `number` may differ from what was typed. */
export function isInexact(number) {
  return !Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number));
}
