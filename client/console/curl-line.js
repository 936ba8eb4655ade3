// The shell command that does what the form does.

const MOST_IN_A_LINE = 100000; // Characters; Linux allows at most 128 KiB per argument.

/** A command for the shell that posts `body`, a JSON text, to `url`. */
export function curlLine(url, body) {
  const call = `${callOf(url)} -H 'Content-Type: application/json'`;
  if (new TextEncoder().encode(body).length <= MOST_IN_A_LINE) {
    return `${call} -d ${quote(body)}`;
  }
  return `${call} --data-binary @- <<'END'\n${body}\nEND`;
}

/** A command that posts `parts`, each a name and a File or a text, as a form; files are in the shell's folder. */
export function curlForm(url, parts) {
  const options = parts.map(([name, part]) => (
    part instanceof File ? `-F ${quote(`${name}=@${fileName(part.name)}`)}` : `--form-string ${quote(`${name}=${part}`)}`
  ));
  return [callOf(url), ...options].join(' ');
}

function callOf(url) {
  const key = $('#service-key').length > 0 ? ' -H "Authorization: Bearer $KEY"' : ''; // Not the key itself.
  return `curl ${quote(url)}${key}`;
}

/** A file's name as curl reads it. */
function fileName(name) {
  return /^[\w.-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`;
}

/** `text` as one word of a POSIX shell. */
export function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
