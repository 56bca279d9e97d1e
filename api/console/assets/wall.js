/* The alarm wall. Its rule: what cannot be vouched for never looks calm. */

import { Feed, Refused, SignedOut, act, activeProblems, activeTickets, runningSuppressions } from "./hub.js";
import { Rows, SEVERITIES, arranged, isUrgent } from "./rows.js";
import { Siren } from "./sound.js";
import { ageText, clockText, has, home, language, sinceText, t, ticketTitle } from "./texts.js";

const $ = (id) => document.getElementById(id);
const READ_AGAIN_MS = 2000;
const CHECK_MS = 30000; // the list is read anew even when nothing is announced

const state = {
  tickets: new Map(),
  loaded: false, // the list shown is that of the hub, as far as the stream has told
  listFailed: false,
  connection: "connecting",
  lostAt: null,
  signedOut: false,
  health: null,
  beatAt: 0,
  offset: 0, // the hub's clock minus ours
  heardAt: null,
  checkedAt: null,
};

const siren = new Siren($("sound"));
const rows = new Rows($("tickets"), acknowledge);
const now = () => Date.now() + state.offset;

function ordered() {
  return [...state.tickets.values()].sort(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.occurredMs - b.occurredMs || a.id - b.id,
  );
}

function keep(ticket) {
  state.tickets.set(ticket.id, { ...ticket, occurredMs: Date.parse(ticket.occurred_at) });
}

function announce(before) {
  const fresh = ordered().filter((each) => isUrgent(each) && !before.has(each.id));
  if (before.size && fresh.length) {
    $("announce").textContent = fresh.map((each) => `${ticketTitle(each)}, ${each.subject.name}`).join("; ");
  }
}

/* Reading the list: at once when something is announced, then at most once in a while; a later wish is never lost. */
let reading = false;
let wished = false;

async function read() {
  if (reading) { wished = true; return; }
  reading = true;
  wished = false;
  try {
    const found = await activeTickets();
    const before = new Set(state.tickets.keys());
    state.tickets.clear();
    found.forEach(keep);
    state.loaded = true;
    state.listFailed = false;
    state.checkedAt = Date.now();
    announce(before);
  } catch (error) {
    if (error instanceof SignedOut) signedOut();
    state.listFailed = true;
    state.loaded = false;
    setTimeout(read, READ_AGAIN_MS);
  } finally {
    reading = false;
  }
  draw();
  if (wished) setTimeout(read, 150);
}

async function readProblems() {
  const list = $("problems-list");
  try {
    const found = await activeProblems();
    list.replaceChildren(...found.map((problem) => {
      const item = document.createElement("li");
      const what = document.createElement("b");
      const toDo = document.createElement("span");
      item.dataset.severity = problem.severity;
      what.textContent = problem.texts[language].text;
      toDo.textContent = problem.texts[language].what_to_do;
      item.append(what, " ", toDo);
      return item;
    }));
    $("problems-count").textContent = $("problems-sign").textContent = String(found.length);
    $("problems").hidden = found.length === 0;
  } catch (error) {
    if (error instanceof SignedOut) signedOut();
    $("problems-count").textContent = $("problems-sign").textContent = t("ui.problems.unknown");
    $("problems").hidden = false;
  }
}

function quietLine(each) {
  const about = [each.ticket_number, each.subject_name ?? each.subject?.id, each.kind && t(`ticket.${each.kind}`)];
  return t("ui.quiet.line", {
    what: t(`ui.quiet.${each.what}`),
    about: about.filter(Boolean).join(" "),
    time: sinceText(Date.parse(each.until), each.site),
    by: each.by,
    reason: each.reason,
  });
}

/* What is kept quiet is never out of sight: who, why and until when; where that cannot be read, it says so. */
async function readQuiet() {
  try {
    const found = await runningSuppressions();
    $("quiet-list").replaceChildren(...found.map((each) => {
      const item = document.createElement("li");
      item.dataset.what = each.what;
      item.textContent = quietLine(each);
      return item;
    }));
    $("quiet-count").textContent = $("quiet-sign").textContent = String(found.length);
    $("quiet").hidden = found.length === 0;
  } catch (error) {
    if (error instanceof SignedOut) signedOut();
    $("quiet-count").textContent = $("quiet-sign").textContent = t("ui.quiet.unknown");
    $("quiet").hidden = false;
  }
}

async function acknowledge(id) {
  rows.busy(id, true);
  rows.say(id, "");
  try {
    keep(await act(id, "acknowledge"));
  } catch (error) {
    if (error instanceof SignedOut) signedOut();
    else if (error instanceof Refused) await explain(id, error);
    else rows.say(id, t("ui.unreachable"));
  } finally {
    rows.busy(id, false);
    draw();
    read();
  }
}

async function explain(id, refusal) {
  await read();
  const ticket = state.tickets.get(id);
  const actions = refusal.allowed.map((name) => t(has(`action.${name}`) ? `action.${name}` : `role.${name}`)).join("、");
  const reason = !ticket || ticket.acknowledged ? t("ui.refused_late") : t("ui.refused", { reason: refusal.message });
  rows.say(id, actions ? `${reason} ${t("ui.refused_allowed", { actions })}` : reason);
}

function signedOut() {
  state.signedOut = true;
  draw();
}

function trusted() {
  return state.loaded && state.connection === "live" && !state.signedOut && (state.health?.ready ?? false);
}

function drawBanner() {
  let title = "";
  let detail = "";
  if (state.signedOut) title = t("ui.banner.signed_out");
  else if (state.connection === "lost") {
    title = t("ui.banner.lost");
    detail = t("ui.banner.lost_detail", { age: ageText(Date.now() - state.lostAt) });
  } else if (state.listFailed) title = t("ui.banner.list_failed");
  else if (state.health && !state.health.ready) {
    title = t("ui.banner.not_ready");
    detail = state.health.parts.filter((part) => part.required && !part.ok).map(partText).join("; ");
  }
  $("banner").hidden = !title;
  if ($("banner-title").textContent !== title) $("banner-title").textContent = title;
  if ($("banner-detail").textContent !== detail) $("banner-detail").textContent = detail;
  $("banner-link").hidden = !state.signedOut;
}

function partText(part) {
  const name = t(`health.${part.name}`);
  return [part.id ? `${name} ${t(`lane.${part.id}`).replace(/^lane\./, "")}` : name, part.why].filter(Boolean).join(": ");
}

function drawSigns() {
  const since = Date.now() - state.beatAt;
  const known = state.health !== null;
  const ages = known ? Object.entries(state.health.canary_age_ms) : [];
  $("connection").textContent = t(`ui.connection.${state.connection}`);
  $("canary").textContent = ages.length
    ? ages.map(([lane, age]) => `${t(`lane.${lane}`)} ${age === null ? t("ui.never") : ageText(age + since)}`).join(" · ")
    : "—";
  $("last-event").textContent = state.heardAt === null ? "—" : t("ui.ago", { age: ageText(now() - state.heardAt) });
  $("clock").textContent = clockText(now(), home);
}

function drawEmpty() {
  const empty = arranged([...state.tickets.values()], now()).shown.length === 0;
  $("empty").hidden = !empty;
  if (!empty) return;
  const shelved = state.tickets.size;
  const calm = trusted() && shelved === 0;
  const waiting = !state.loaded && !state.listFailed && state.connection === "connecting";
  $("empty").dataset.calm = calm ? "yes" : "no";
  if (trusted() && shelved) {
    $("empty-title").textContent = t("ui.only_shelved", { count: shelved });
    $("empty-detail").textContent = "";
    return;
  }
  $("empty-title").textContent = calm ? t("ui.all_clear") : t(waiting ? "ui.loading" : "ui.not_known");
  $("empty-detail").textContent = calm
    ? t("ui.all_clear_detail", { time: clockText(state.checkedAt + state.offset, home) })
    : t(waiting ? "ui.connection.connecting" : "ui.not_known_detail");
}

function draw() {
  const tickets = ordered();
  document.body.dataset.connection = state.signedOut ? "lost" : state.connection;
  document.body.dataset.trusted = trusted() ? "yes" : "no";
  rows.show(tickets, now());
  drawBanner();
  drawSigns();
  drawEmpty();
  $("drill-banner").hidden = !tickets.some((ticket) => ticket.drill);
  const alarming = tickets.some(isUrgent);
  siren.need(alarming);
  document.body.dataset.alarming = alarming ? "yes" : "no";
  const waiting = tickets.filter((ticket) => !ticket.acknowledged).length;
  document.title = `${waiting ? `(${waiting}) ` : ""}${t("ui.wall")} · ${t("ui.hub")}`;
}

new Feed({
  live() {
    if (state.connection !== "live") {
      state.connection = "live";
      state.lostAt = null;
      draw();
    }
  },
  beat(health) {
    const problemsMayDiffer = state.health === null || state.health.ready !== health.ready;
    state.health = health;
    state.beatAt = Date.now();
    state.offset = Date.parse(health.now) - Date.now();
    if (health.last_event_at) state.heardAt = Math.max(state.heardAt ?? 0, Date.parse(health.last_event_at));
    if (problemsMayDiffer) readProblems();
    draw();
  },
  row(change) {
    state.heardAt = Math.max(state.heardAt ?? 0, Date.parse(change.at));
    if (change.type.startsWith("ticket")) read();
    if (change.type.startsWith("suppression")) { readQuiet(); read(); }
    if (change.type.startsWith("problem")) readProblems();
  },
  resync() { read(); readProblems(); readQuiet(); },
  lost() {
    if (state.connection !== "lost") state.lostAt = Date.now();
    state.connection = "lost";
    draw();
  },
  signedOut,
});

setInterval(() => {
  for (const ticket of state.tickets.values()) rows.age(ticket, now());
  drawBanner();
  drawSigns();
}, 1000);
setInterval(() => { if (!state.signedOut) { read(); readProblems(); readQuiet(); } }, CHECK_MS);
read();
