// The shell command that does what the form does.

const MOST_IN_A_LINE = 100000; // Characters; Linux allows at most 128 KiB per argument.

/** A command for the shell that posts `body`, a JSON text, to `url`; as a job, if it is one. */
export function curlLine(url, body, isJob) {
  const call = `${callOf(url, isJob)} -H 'Content-Type: application/json'`;
  if (new TextEncoder().encode(body).length <= MOST_IN_A_LINE) {
    return `${call} -d ${quote(body)}`;
  }
  return `${call} --data-binary @- <<'END'\n${body}\nEND`;
}

/** A command that posts `parts`, each a name and a File or a text, as a form; files are in the shell's folder. */
export function curlForm(url, parts, isJob) {
  const options = parts.map(([name, part]) => (
    part instanceof File ? `-F ${quote(`${name}=@${fileName(part.name)}`)}` : `--form-string ${quote(`${name}=${part}`)}`
  ));
  return [callOf(url, isJob), ...options].join(' ');
}

function callOf(url, isJob) {
  const job = isJob ? " -H 'Prefer: respond-async'" : '';
  const key = $('#service-key').length > 0 ? ' -H "Authorization: Bearer $KEY"' : ''; // Not the key itself.
  return `curl ${quote(url)}${key}${job}`;
}

/** A file's name as curl reads it. */
function fileName(name) {
  return /^[\w.-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`;
}

/** `text` as one word of a POSIX shell. */
export function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
