// Everything that opens above the chat: toasts, alerts, pictures, the new customer, the faults.
import { server } from "./server.js";

const get = (id) => document.getElementById(id);

export function toast(text) {
  const line = document.createElement("p");
  line.textContent = text;
  get("toasts").append(line);
  setTimeout(() => line.remove(), Math.min(2500 + text.length * 40, 8000));
}

function closed(dialog) {
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

export async function tell(text) {
  get("alert-text").textContent = text;
  get("alert-cancel").hidden = true;
  get("alert-ok").textContent = "OK";
  get("alert").showModal();
  await closed(get("alert"));
}

export async function confirmed(text, yes) {
  get("alert-text").textContent = text;
  get("alert-cancel").hidden = false;
  get("alert-ok").textContent = yes;
  get("alert").returnValue = "";
  get("alert").showModal();
  return (await closed(get("alert"))) === "ok";
}

export function showPicture(photo) {
  get("viewer-image").src = photo.url;
  get("viewer").showModal();
}

export async function askNewcomer() {
  const dialog = get("newcomer");
  const form = dialog.querySelector("form");
  form.reset();
  dialog.returnValue = "";
  dialog.showModal();
  if ((await closed(dialog)) !== "ok") return null;
  return { name: form.elements.name.value.trim(), language: form.elements.language.value };
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied to the clipboard.");
  } catch {
    toast("The browser does not allow copying here.");
  }
}

const FAULTS = [
  ["Too many requests", "The next call gets 429: come back in 3 seconds.", { kind: "429", retry_after: 3 }],
  ["Server error, three times", "The next three calls get 500.", { kind: "500", times: 3 }],
  ["Broken connection", "The next call is not done, and the line breaks.", { kind: "drop" }],
  ["Lost answer", "The next call is done, but the bot never hears so.", { kind: "lost" }],
  ["Silence", "The next call hangs for 20 seconds.", { kind: "hang", seconds: 20 }],
  ["Duplicate update", "The customer's next action reaches the bot twice.", { kind: "duplicate" }],
];

function showArmed({ items }) {
  const count = items.reduce((sum, fault) => sum + fault.times, 0);
  const kinds = items.map((fault) => (fault.times > 1 ? `${fault.kind} ×${fault.times}` : fault.kind));
  get("armed").textContent = count ? `Waiting to happen: ${kinds.join(", ")}.` : "Telegram is well.";
}

function choice(title, about, act) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const name = document.createElement("b");
  const line = document.createElement("span");
  name.textContent = title;
  line.textContent = about;
  button.append(name, line);
  button.addEventListener("click", () => act().catch((error) => toast(error.message)));
  item.append(button);
  return item;
}

export async function showFaults(chat) {
  const dialog = get("trouble");
  const list = get("fault-list");
  const block = chat.blocked
    ? choice("Unblock the bot", "It may write to this customer again.", async () => { await server.unblock(chat.id); dialog.close(); })
    : choice("Block the bot", "This customer shuts it out: every message to them gets 403.", async () => { await server.block(chat.id); dialog.close(); });
  const arms = FAULTS.map(([title, about, fault]) => choice(title, about, async () => showArmed(await server.arm(fault))));
  list.replaceChildren(block, ...arms);
  showArmed(await server.faults());
  dialog.showModal();
}

export function prepareDialogs() {
  get("clear-faults").addEventListener("click", async () => showArmed(await server.clear()));
  get("viewer-image").addEventListener("click", () => get("viewer").close());
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close("cancel"); });
  }
}
