/* Talking to the hub: calls that say what became of them, and a feed that knows when it has gone quiet. */

import { csrf } from "./texts.js";

const QUIET_MS = 12000; // the hub says something every 5 s
const AGAIN_MS = 2000;
const CALL_MS = 12000;

export class SignedOut extends Error {}

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? "");
    this.status = problem.status;
    this.allowed = problem.allowed ?? [];
    this.errors = problem.errors ?? [];
  }
}

async function call(path, options = {}) {
  const answer = await fetch(path, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(CALL_MS) });
  if (answer.status === 401) throw new SignedOut();
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body);
  return body;
}

function freshKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function act(ticket, action, fields = {}) {
  return call(`/api/v1/tickets/${ticket}/actions/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf ?? "", "Idempotency-Key": freshKey() },
    body: JSON.stringify(fields),
  });
}

export function save(ticket, form, version, body) {
  return call(`/api/v1/tickets/${ticket}/reports/${form}`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRF-Token": csrf ?? "",
      "Idempotency-Key": freshKey(),
      "If-Match": `"${version}"`,
    },
    body: JSON.stringify(body),
  });
}

async function all(path) {
  const items = [];
  let cursor = null;
  do {
    const page = await call(path + (cursor === null ? "" : `&cursor=${cursor}`));
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return items;
}

export const activeTickets = () => all("/api/v1/tickets?state=active&limit=500");
export const runningSuppressions = () => all("/api/v1/suppressions?limit=500");
export const activeProblems = () => all("/api/v1/problems?active=true&limit=500");

/* Calls back: row(change), beat(health), resync(), live(), lost(), signedOut(). Comes back by itself for ever. */
export class Feed {
  constructor(listener) {
    this.listener = listener;
    this.seq = null;
    this.heardAt = 0;
    this.source = null;
    setInterval(() => this.watch(), 1000);
    this.open();
  }

  open() {
    this.close();
    this.heardAt = Date.now();
    const source = new EventSource("/api/v1/feed/stream" + (this.seq === null ? "" : `?after=${this.seq}`));
    this.source = source;
    const on = (name, handle) => source.addEventListener(name, (event) => {
      if (this.source !== source) return;
      this.heardAt = Date.now();
      if (event.lastEventId) this.seq = Number(event.lastEventId);
      handle(event.data ? JSON.parse(event.data) : {});
    });
    on("hello", (beat) => { this.listener.live(); this.listener.beat(beat.health); this.listener.resync(); });
    on("heartbeat", (beat) => { this.listener.live(); this.listener.beat(beat.health); });
    on("message", (change) => this.listener.row(change));
    on("canary", () => this.listener.live());
    on("resync", () => this.listener.resync());
    on("signed_out", () => this.end(true));
    on("bye", () => this.fail());
    source.onerror = () => { if (this.source === source) this.fail(); };
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  watch() {
    if (this.source && Date.now() - this.heardAt > QUIET_MS) this.fail();
  }

  fail() {
    this.close();
    this.listener.lost();
    clearTimeout(this.again);
    this.again = setTimeout(() => this.retry(), AGAIN_MS);
  }

  async retry() {
    try {
      await call("/api/v1/feed?limit=1");
      this.open();
    } catch (error) {
      if (error instanceof SignedOut) this.end(true);
      else this.fail();
    }
  }

  end(signedOut) {
    this.close();
    clearTimeout(this.again);
    if (signedOut) this.listener.signedOut();
  }
}
