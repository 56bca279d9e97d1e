/* Texts, ages and times as people read them. The same rules as api/console/catalogue.py and wall.py. */

const start = JSON.parse(document.getElementById("start").textContent);

export const { language, csrf, sites, home } = start;
const texts = start.texts;

export function fill(pattern, values = {}) {
  return pattern.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return value === undefined || value === null || typeof value === "object" ? "—" : String(value);
  });
}

export function has(key) {
  return Object.hasOwn(texts, key);
}

export function t(key, values) {
  return fill(has(key) ? texts[key] : key, values);
}

export function ticketTitle(ticket) {
  const values = { ...ticket.fields, name: ticket.subject.name, place: ticket.subject.place };
  const exact = `ticket.${ticket.kind}.${ticket.reason}`;
  if (has(exact)) return t(exact, values);
  const title = t(`ticket.${ticket.kind}`);
  const why = `reason.${ticket.reason}`;
  return has(why) ? title + t("title.joint") + t(why, values) : title;
}

const STEPS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export function ageText(milliseconds) {
  const age = Math.max(0, Math.floor(milliseconds / 1000));
  for (let i = 0; i < STEPS.length - 1; i += 1) {
    const [word, size] = STEPS[i];
    const [next, nextSize] = STEPS[i + 1];
    if (age >= size) {
      const rest = Math.floor((age % size) / nextSize);
      const first = `${Math.floor(age / size)} ${t(`unit.${word}`)}`;
      return word !== "d" || rest ? `${first} ${String(rest).padStart(2, "0")} ${t(`unit.${next}`)}` : first;
    }
  }
  return `${age} ${t("unit.s")}`;
}

const formats = new Map();

function format(zone, parts) {
  const key = zone + parts;
  if (!formats.has(key)) {
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    const day = parts === "day" ? { month: "2-digit", day: "2-digit" } : {};
    formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...day, ...clock }));
  }
  return formats.get(key);
}

function zoneOf(site) {
  return sites[site]?.timezone ?? "UTC";
}

export function clockText(milliseconds, site) {
  return format(zoneOf(site), "time").format(milliseconds);
}

export function sinceText(milliseconds, site) {
  const part = Object.fromEntries(
    format(zoneOf(site), "day").formatToParts(milliseconds).map(({ type, value }) => [type, value]),
  );
  return `${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second}`;
}

export function placeText(ticket) {
  const floor = ticket.fields?.floor;
  const stopped = floor ? t("ui.floor", { floor }) : "";
  return [sites[ticket.site]?.name ?? ticket.site, ticket.subject.place, stopped].filter(Boolean).join(" · ");
}
