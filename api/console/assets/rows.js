/* The rows of the wall. Names come from devices and are hostile: textContent only, never markup. */

import { ageText, placeText, sinceText, t, ticketTitle } from "./texts.js";

/* What must not wait for anybody: an alarm sounds until it is acknowledged. People in a car, however sure we are of it. */
export function isUrgent(ticket) {
  if (ticket.acknowledged || ticket.drill || ticket.maintenance || ticket.silenced_until) return false;
  return isGrave(ticket);
}

/* Never hidden: neither on the shelf nor below a roll-up, whatever the hub says of it. */
function isGrave(ticket) {
  return ticket.severity === "critical" || ticket.kind === "entrapment";
}

/* Which rows of their own are shown, and which tickets are listed below which (by the parent's id). */
export function arranged(tickets, now) {
  const known = new Set(tickets.map((ticket) => ticket.id));
  const below = new Map();
  const shown = tickets.filter((ticket) => {
    if (isGrave(ticket)) return true;
    if (Date.parse(ticket.shelved_until) > now) return false; // and not a moment longer, whatever became of its deadline
    if (!known.has(ticket.parent)) return true;
    below.set(ticket.parent, [...(below.get(ticket.parent) ?? []), ticket]);
    return false;
  });
  return { shown, below };
}

export const SEVERITIES = ["critical", "high", "medium", "low"];

const template = document.getElementById("ticket-row").content.firstElementChild;

function slot(row, name) {
  return row.querySelector(`[data-slot="${name}"]`);
}

function put(row, name, text) {
  const place = slot(row, name);
  if (place.textContent !== text) place.textContent = text;
}

function putChip(row, name, text) {
  put(row, name, text);
  slot(row, name).hidden = !text;
}

function quietText(ticket) {
  if (ticket.maintenance) return t("ui.maintenance");
  if (ticket.silenced_until) return t("ui.silenced_until", { time: sinceText(Date.parse(ticket.silenced_until), ticket.site) });
  return "";
}

function gatheredLine(ticket) {
  const parts = [ticket.subject.name || ticket.subject.id, placeText(ticket), ticketTitle(ticket)];
  return [...parts, t(`state.${ticket.state}`), ticket.number].filter(Boolean).join(" · ");
}

/* The cars of a whole site's case in the order of rescue; a car that may hold somebody has a row of its own as well. */
function carLines(ticket) {
  const { children = {}, rounds = {}, checked = {} } = ticket.fields ?? {};
  return Object.entries(children).sort(([, a], [, b]) => a.rank - b.rank).map(([device, car]) => {
    const said = checked[device] ? t("ui.car.checked", { by: checked[device].by }) : t(`ui.car.${car.occupancy}`);
    const order = rounds[device] ? t("ui.car.round", rounds[device]) : "";
    return [car.name || device, car.place, said, order, car.back ? t("ui.car.back") : ""].filter(Boolean).join(" · ");
  });
}

export class Rows {
  constructor(root, onAcknowledge) {
    this.root = root;
    this.onAcknowledge = onAcknowledge;
    this.rows = new Map();
    this.lists = Object.fromEntries(
      SEVERITIES.map((level) => [level, root.querySelector(`section[data-severity="${level}"] ol`)]),
    );
    for (const drawn of root.querySelectorAll("li.ticket")) drawn.remove(); // drawn by the server, drawn anew
  }

  show(all, now) {
    const { shown: tickets, below } = arranged(all, now);
    const kept = new Set(tickets.map((ticket) => ticket.id));
    for (const [id, row] of this.rows) {
      if (!kept.has(id)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    for (const level of SEVERITIES) {
      const ours = tickets.filter((ticket) => ticket.severity === level);
      ours.forEach((ticket, index) => {
        this.place(this.draw(ticket, now), this.lists[level], index);
        this.list(ticket, below.get(ticket.id) ?? []);
      });
      this.lists[level].parentElement.hidden = ours.length === 0;
      for (const count of document.querySelectorAll(`[data-count="${level}"]`)) count.textContent = String(ours.length);
    }
  }

  place(row, list, index) {
    const there = list.children[index];
    if (there === row) return;
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    list.insertBefore(row, there ?? null);
    focused?.focus(); // moving a node takes its focus away
  }

  draw(ticket, now) {
    let row = this.rows.get(ticket.id);
    if (!row) {
      row = template.cloneNode(true);
      row.dataset.id = String(ticket.id);
      slot(row, "acknowledge").addEventListener("click", () => this.onAcknowledge(ticket.id));
      this.rows.set(ticket.id, row);
    }
    row.dataset.urgent = isUrgent(ticket) ? "yes" : "no";
    row.dataset.acknowledged = ticket.acknowledged ? "yes" : "no";
    put(row, "kind", t(`ticket.${ticket.kind}`));
    put(row, "title", ticketTitle(ticket));
    put(row, "subject", ticket.subject.name || ticket.subject.id);
    put(row, "place", placeText(ticket));
    put(row, "state", t(`state.${ticket.state}`));
    putChip(row, "drill", ticket.drill ? t("ui.drill") : "");
    putChip(row, "quiet", quietText(ticket));
    putChip(row, "count", ticket.count > 1 ? t("ui.repeat", { count: ticket.count }) : "");
    put(row, "assignee", ticket.assignee ?? "");
    put(row, "number", ticket.number);
    slot(row, "number").href = `/tickets/${ticket.id}`;
    put(row, "since", sinceText(ticket.occurredMs, ticket.site));
    slot(row, "since").dateTime = ticket.occurred_at;
    const button = slot(row, "acknowledge");
    button.hidden = ticket.acknowledged || !ticket.actions.includes("acknowledge");
    if (row.dataset.busy !== "yes") button.disabled = false;
    button.setAttribute("aria-label", `${t("ui.acknowledge")}: ${ticketTitle(ticket)}, ${ticket.subject.name}`);
    this.age(ticket, now);
    return row;
  }

  list(ticket, gathered) {
    const box = slot(this.rows.get(ticket.id), "below");
    const cars = carLines(ticket);
    const lines = cars.length ? cars : gathered.map(gatheredLine);
    box.hidden = lines.length === 0;
    box.querySelector("summary").textContent = t(cars.length ? "ui.cars" : "ui.below", { count: lines.length });
    box.querySelector("ul").replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
  }

  age(ticket, now) {
    const row = this.rows.get(ticket.id);
    if (row) put(row, "age", ageText(now - ticket.occurredMs));
  }

  busy(id, busy) {
    const row = this.rows.get(id);
    if (!row) return;
    row.dataset.busy = busy ? "yes" : "no";
    const button = slot(row, "acknowledge");
    button.disabled = busy;
    button.textContent = t(busy ? "ui.acknowledging" : "ui.acknowledge");
  }

  say(id, text) {
    const row = this.rows.get(id);
    if (!row) return;
    const said = slot(row, "said");
    said.textContent = text;
    said.hidden = !text;
  }
}
