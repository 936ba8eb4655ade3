// A button that copies a text.

const SAID_MS = 2000;

/** A button that copies what `text()` returns, and says so for a moment. */
export function copyButton(label, text) {
  const button = $('<button class="button outlined small" type="button" aria-live="polite">').text(label);
  return button.on('click', async () => {
    button.text((await copy(text())) ? 'Copied' : 'Not copied: select it, and press Ctrl+C');
    setTimeout(() => button.text(label), SAID_MS);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text); // Browsers have no clipboard API without HTTPS.
  }
}

function copySelected(text) {
  const focused = document.activeElement;
  const area = $('<textarea class="visually-hidden">').val(text).appendTo(document.body);
  area.trigger('select');
  const isCopied = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return isCopied;
}
