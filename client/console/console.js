// The console: adds a form to each card that the service has rendered.
import {ModelCard} from './model-card.js';

if (window.jQuery && window.callModel) {
  start();
} else {
  document.getElementById('console-error').textContent =
    `The page is incomplete: its scripts could not be loaded from ${document.baseURI}.`;
}

function start() {
  $.ajax({url: './', dataType: 'json'})
    .done(({models}) => models.filter(({failure}) => !failure).forEach(makeCard))
    .fail((request, reason) => $('#console-error').text(failureMessage(request, reason)));
}

function makeCard(model) {
  const section = $('section.model').filter((_, {dataset}) => dataset.model === model.name);
  const card = new ModelCard(section, model);
  if (model.card) {
    import(new URL(model.card.slice(1), document.baseURI)).then((addition) => addition.default(card)).catch(showFailure);
  }
}

// The model's addition to its card is missing; the form works without it.
function showFailure() {
  $('#console-error').text(`A part of the page could not be loaded from ${document.baseURI}.`);
}
