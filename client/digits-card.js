// The pad of the digits page, in the card of DigitsModel: drawing fills in the form and sends it.

/** Put the pad above the form of `card`. */
export default async function addPad(card) {
  const [text] = await Promise.all([$.ajax({url: 'client/digits.html', dataType: 'text'}), loadScript()]);
  card.form.before(padOf(text));
  startDigits((cells) => ask(card, cells));
  $('#clear').on('click', () => card.set({instances: [new Array(CELLS * CELLS).fill(0)]}));
  card.onAnswer = ({predictions}) => showPrediction(predictions[0]);
  card.onChange = (value) => showImage(value?.instances?.[0]);
  card.onChange(card.read().value);
}

// The page's script is not a module, and the Content-Security-Policy allows only scripts with a source.
function loadScript() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    Object.assign(script, {src: 'client/digits.js', onload: resolve, onerror: reject});
    document.head.append(script);
  });
}

function padOf(text) {
  const page = new DOMParser().parseFromString(text, 'text/html');
  const pad = $(document.importNode(page.querySelector('.columns'), true)).addClass('digits');
  // The card has its own.
  pad.find('#progress, [role=alert], noscript').remove();
  pad.find('h2').each((_, title) => {
    $(title).replaceWith($('<h3>').attr('id', title.id).text($(title).text()));
  });
  return pad;
}

function ask(card, cells) {
  card.cancel();
  card.set({instances: [cells]});
  return card.send();
}

function showImage(image) {
  if (Array.isArray(image) && image.length === CELLS * CELLS) {
    showCells(image);
  }
  showNothing('Not read yet: draw a digit, or send the image below.');
}
