/* Filling in a form about a case: saved as a new version, never over one that somebody else has saved meanwhile. */

import { save, Refused, SignedOut } from "./hub.js";
import { t } from "./texts.js";

const start = JSON.parse(document.getElementById("start").textContent);
const form = document.getElementById("report");
const said = document.getElementById("said");

for (const button of form.querySelectorAll("[data-add]")) {
  button.addEventListener("click", () => {
    const section = button.closest("section");
    section.querySelector("tbody").append(section.querySelector("template").content.cloneNode(true));
  });
}

function measures(section) {
  return [...section.querySelectorAll("tbody tr")]
    .map((row) => Object.fromEntries([...row.querySelectorAll("[data-key]")].map((cell) => [cell.dataset.key, cell.value.trim()])))
    .map((measure) => Object.fromEntries(Object.entries(measure).filter(([, value]) => value)))
    .filter((measure) => Object.keys(measure).length > 0);
}

function fields() {
  const found = {};
  for (const section of form.querySelectorAll("section[data-field]")) {
    const { field, type } = section.dataset;
    if (type === "signatory") continue;
    found[field] = type === "measures" ? measures(section) : section.querySelector("[name]").value;
  }
  return found;
}

function show(errors) {
  for (const section of form.querySelectorAll("section[data-field]")) {
    const mine = errors.filter((error) => error.field.split(".")[0] === section.dataset.field);
    const place = section.querySelector(".wrong");
    place.textContent = mine.map((error) => `${error.field}: ${error.problem}`).join("; ");
    place.hidden = mine.length === 0;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const sign = event.submitter?.value === "sign";
  const buttons = [...form.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  show([]);
  said.textContent = "";
  try {
    const signatory = document.getElementById("signatory").value.trim() || null;
    const saved = await save(start.ticket, start.form, start.version, { fields: fields(), sign, signatory });
    start.version = saved.newest;
    said.textContent = t("ui.record.saved");
    if (sign) location.assign(`/tickets/${start.ticket}/reports/${start.form}`);
  } catch (error) {
    if (error instanceof SignedOut) location.assign("/login");
    else if (error instanceof Refused && error.status === 412) said.textContent = t("ui.record.stale");
    else if (error instanceof Refused && error.errors.length > 0) {
      show(error.errors);
      const names = [...new Set(error.errors.map((each) => t(`record.field.${each.field.split(".")[0]}`)))];
      said.textContent = `${t("ui.record.missing")} ${names.join(", ")}`;
    } else said.textContent = `${t("ui.record.failed")} ${error.message}`;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
});
