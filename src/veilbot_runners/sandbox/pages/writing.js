// The line to write on, and the menu of commands above it.
import { element } from "./bubbles.js";

const get = (id) => document.getElementById(id);
let commands = () => [];
let say = () => {};

function showCommands(filter = "") {
  const wanted = commands().filter(({ command }) => command.startsWith(filter));
  const rows = wanted.map(({ command, description }) => {
    const row = element("button", "", element("b", "", `/${command}`), element("span", "", description));
    row.setAttribute("role", "menuitem");
    row.addEventListener("click", () => { hideCommands(); say(`/${command}`); });
    return row;
  });
  get("commands").replaceChildren(...rows);
  get("commands").hidden = !rows.length;
  get("menu").setAttribute("aria-expanded", String(rows.length > 0));
}

function hideCommands() {
  get("commands").hidden = true;
  get("menu").setAttribute("aria-expanded", "false");
}

function walk(event) {
  const rows = [...get("commands").children];
  const at = rows.indexOf(document.activeElement);
  if (event.key === "Escape") { hideCommands(); get("text").focus(); }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  rows[(at + (event.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length]?.focus();
}

export function fit() {
  const field = get("text");
  field.style.height = "auto";
  if (field.scrollHeight) field.style.height = `${field.scrollHeight}px`; // nothing can be measured while it is hidden
}

export function prepareWriting(known, send) {
  commands = known;
  say = send;
  const field = get("text");
  get("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    hideCommands();
    if (field.value.trim()) say(field.value);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); get("composer").requestSubmit(); }
    if (event.key === "ArrowUp" && !get("commands").hidden) { event.preventDefault(); get("commands").lastElementChild.focus(); }
    if (event.key === "Escape") hideCommands();
  });
  field.addEventListener("input", () => {
    fit();
    const command = /^\/(\w*)$/.exec(field.value);
    if (command) showCommands(command[1]); else hideCommands();
  });
  get("menu").addEventListener("click", () => {
    if (!get("commands").hidden) return hideCommands();
    showCommands();
    get("commands").firstElementChild?.focus();
    return null;
  });
  get("commands").addEventListener("keydown", walk);
}
