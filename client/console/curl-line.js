// The shell command that does what the form does.

const MOST_IN_A_LINE = 100000; // Characters; Linux allows at most 128 KiB per argument.

/** A command for the shell that posts `body`, a JSON text, to `url`. */
export function curlLine(url, body) {
  const key = $('#service-key').length > 0 ? ' -H "Authorization: Bearer $KEY"' : ''; // Not the key itself.
  const call = `curl ${quote(url)}${key} -H 'Content-Type: application/json'`;
  if (new TextEncoder().encode(body).length <= MOST_IN_A_LINE) {
    return `${call} -d ${quote(body)}`;
  }
  return `${call} --data-binary @- <<'END'\n${body}\nEND`;
}

/** `text` as one word of a POSIX shell. */
export function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
