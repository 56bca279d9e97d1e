/* A ticket's page says when its ticket has changed meanwhile: anew by itself while nobody has typed anything, else by a link. */

import { Feed } from "./hub.js";

const start = JSON.parse(document.getElementById("start").textContent);
const changed = document.getElementById("changed");
let typed = false;
let leaving = false;

addEventListener("input", () => { typed = true; });

/* A press brings its own change back before its answer: that one is no news. And a second tap presses nothing twice. */
addEventListener("submit", (event) => {
  if (leaving) event.preventDefault();
  leaving = true;
});

function isOpen() {
  return document.querySelector("form details[open]") !== null;
}

function look() {
  if (leaving) return;
  if (typed || isOpen()) changed.hidden = false;
  else location.replace(`/tickets/${start.ticket}`);
}

/* What changed between the drawing of the page and the opening of the stream. */
async function compare() {
  try {
    const answer = await fetch(`/api/v1/tickets/${start.ticket}`, { credentials: "same-origin", signal: AbortSignal.timeout(12000) });
    if (answer.ok && (await answer.json()).revision > start.revision) look();
  } catch {
    changed.hidden = false; // not known: it is said, and a press is checked by the hub in any case
  }
}

new Feed({
  live() {},
  beat() {},
  row(change) {
    if (change.type.startsWith("ticket") && change.body.id === start.ticket && change.body.revision > start.revision) look();
  },
  resync: compare,
  lost() { changed.hidden = false; },
  signedOut() { location.assign("/login"); },
});
