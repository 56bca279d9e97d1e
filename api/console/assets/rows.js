/* The rows of the wall. Names come from devices and are hostile: textContent only, never markup. */

import { ageText, placeText, sinceText, t, ticketTitle } from "./texts.js";

/* What must not wait for anybody: an alarm sounds until it is acknowledged. People in a car, however sure we are of it. */
export function isUrgent(ticket) {
  return !ticket.acknowledged && !ticket.drill && (ticket.severity === "critical" || ticket.kind === "entrapment");
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

  show(tickets, now) {
    const kept = new Set(tickets.map((ticket) => ticket.id));
    for (const [id, row] of this.rows) {
      if (!kept.has(id)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    for (const level of SEVERITIES) {
      const ours = tickets.filter((ticket) => ticket.severity === level);
      ours.forEach((ticket, index) => this.place(this.draw(ticket, now), this.lists[level], index));
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
    putChip(row, "count", ticket.count > 1 ? t("ui.repeat", { count: ticket.count }) : "");
    put(row, "assignee", ticket.assignee ?? "");
    put(row, "number", ticket.number);
    put(row, "since", sinceText(ticket.occurredMs, ticket.site));
    slot(row, "since").dateTime = ticket.occurred_at;
    const button = slot(row, "acknowledge");
    button.hidden = ticket.acknowledged || !ticket.actions.includes("acknowledge");
    if (row.dataset.busy !== "yes") button.disabled = false;
    button.setAttribute("aria-label", `${t("ui.acknowledge")}: ${ticketTitle(ticket)}, ${ticket.subject.name}`);
    this.age(ticket, now);
    return row;
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
