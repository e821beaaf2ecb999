// The page's heart: which chat is open, what it shows, what the person does.
import { day, element, message, money, time, typing } from "./bubbles.js";
import { askNewcomer, confirmed, copy, prepareDialogs, showFaults, showPicture, tell, toast } from "./dialogs.js";
import { server } from "./server.js";
import { fit, prepareWriting } from "./writing.js";

const get = (id) => document.getElementById(id);
const shown = new Map(); // message id -> { signature, element }
const seen = new Map(); // chat id -> version that the person has looked at
let listed = false; // whether what was there at the start counts as looked at already
let view = null; // the open chat, as the server tells it
let openId = Number(location.hash.slice(1)) || Number(sessionStorage.getItem("chat")) || 0; // back from the payment page
let typingTimer = 0;

const act = {
  picture: showPicture,
  isOwnLink: (url) => Boolean(ownLink(url)),
  async press(item, button) {
    const id = view.chat.id;
    await attempt(async () => {
      if (button.copy) return copy(button.copy);
      if (button.pay) return pay({ message_id: item.message_id }, item.invoice);
      if (button.url) return follow(button.url);
      const answer = await server.tap(id, item.message_id, button.data);
      if (!answer.answered) return toast("The bot has not answered yet.");
      if (answer.url) return window.open(answer.url, "_blank", "noopener");
      if (answer.text) return answer.show_alert ? tell(answer.text) : toast(answer.text);
      return null;
    });
  },
};

async function attempt(what) {
  try {
    await what();
  } catch (error) {
    toast(error instanceof TypeError ? "The sandbox does not answer." : error.message);
  }
}

function ownLink(url) {
  const match = /^(?:https?:\/\/t\.me\/|tg:\/\/resolve\?domain=)(\$[\w-]+|[A-Za-z]\w+)(?:[?&]start=([\w-]*))?$/.exec(url);
  if (!match) return null;
  if (match[1].startsWith("$")) return { slug: match[1].slice(1) };
  return view && match[1].toLowerCase() === view.bot.username.toLowerCase() ? { start: match[2] ?? "" } : null;
}

async function follow(url) {
  const link = ownLink(url);
  if (link.slug) return pay({ slug: link.slug }, null);
  return server.say(view.chat.id, `/start ${link.start}`.trim());
}

async function pay(what, invoice) {
  const price = invoice ? money(invoice.total_amount, invoice.currency) : "this invoice";
  if (!(await confirmed(`Pay ${price}? It is play money.`, "Pay"))) return;
  const result = await server.pay(view.chat.id, what);
  if (!result.paid) toast(result.error || "The bot refused the payment.");
}

/* The list of customers */

function face(chat) {
  const initials = chat.name.split(/\s+/).map((part) => [...part][0] ?? "").slice(0, 2).join("");
  const made = element("span", `face c${chat.id % 6}`, initials.toUpperCase());
  made.setAttribute("aria-hidden", "true");
  return made;
}

function person(chat) {
  const unread = chat.id !== openId && chat.version > (seen.get(chat.id) ?? 0);
  const made = element("button", "person", face(chat), element("b", "", chat.name), element("time", "", chat.last ? time(chat.last.date) : ""));
  made.append(element("span", "last", chat.blocked ? "Has blocked the bot" : (chat.last?.text ?? (chat.purpose || "New customer"))));
  if (unread) {
    const dot = element("span", "new");
    dot.setAttribute("role", "img");
    dot.setAttribute("aria-label", "Something new");
    made.append(dot);
  }
  made.dataset.chat = chat.id;
  if (chat.id === openId) made.setAttribute("aria-current", "true");
  made.addEventListener("click", () => open(chat.id));
  return element("li", "", made);
}

function showList(items) {
  const focused = document.activeElement?.dataset?.chat;
  if (!listed) for (const chat of items) seen.set(chat.id, chat.version);
  listed = true;
  get("chat-list").replaceChildren(...items.map(person));
  if (focused) document.querySelector(`[data-chat="${focused}"]`)?.focus();
  get("messenger").classList.toggle("empty", items.every((chat) => chat.purpose && !chat.last)); // nobody has anything to look at
}

/* The open chat */

function rendered(item, first) {
  const signature = JSON.stringify(item) + first;
  const known = shown.get(item.message_id);
  if (known?.signature === signature) return known.element;
  const made = message(item, act);
  if (first) made.classList.add("first");
  if (known) {
    made.classList.add("still");
    const held = [...known.element.querySelectorAll(".tap")].indexOf(document.activeElement);
    if (held >= 0) requestAnimationFrame(() => (made.querySelectorAll(".tap")[held] ?? get("text")).focus({ preventScroll: true }));
  }
  shown.set(item.message_id, { signature, element: made });
  return made;
}

function elementsOf(chatView) {
  const elements = [];
  let before = null;
  for (const item of chatView.items) {
    const today = day(item.date);
    if (today !== before?.today) elements.push(dayLine(today));
    elements.push(rendered(item, item.from !== before?.from || today !== before?.today));
    before = { from: item.from, today };
  }
  if (!elements.length) {
    const about = element("div", "about", element("h3", "", chatView.bot.name));
    about.append(element("p", "", chatView.chat.purpose || chatView.bot.description || "What can this bot do? Press Start and see."));
    elements.push(about);
  }
  if (chatView.chat.typing) elements.push(typing());
  return elements;
}

const dayLines = new Map();
function dayLine(text) {
  if (!dayLines.has(text)) dayLines.set(text, element("div", "day", text));
  return dayLines.get(text);
}

function showChat(chatView) {
  const scroll = get("scroll");
  const changed = view?.chat.id !== chatView.chat.id;
  const grown = changed || chatView.items.at(-1)?.message_id !== view?.items.at(-1)?.message_id;
  const mine = grown && chatView.items.at(-1)?.from === "customer";
  const low = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 140;
  if (changed) { shown.clear(); dayLines.clear(); }
  view = chatView;
  seen.set(view.chat.id, view.version);
  place(get("messages"), elementsOf(view));
  if (changed || low || mine) toEnd(changed);
  const { chat, bot, items, commands } = view;
  get("bot-name").textContent = bot.name;
  get("bot-state").textContent = chat.typing ? "typing…" : `talks to ${chat.name}`;
  get("bot-state").classList.toggle("busy", chat.typing);
  const started = !get("start").hidden && items.length > 0;
  get("start").hidden = chat.blocked || items.length > 0;
  get("blocked").hidden = !chat.blocked;
  get("composer").hidden = chat.blocked || items.length === 0;
  get("menu").hidden = !commands.length;
  showKeyboard(chat.blocked ? [] : view.keyboard);
  if (started) write();
  clearTimeout(typingTimer);
  if (chat.typing) typingTimer = setTimeout(() => attempt(refresh), 5200);
}

// Moves as little as possible, so that focus, selection and animations survive.
function place(parent, elements) {
  const wanted = new Set(elements);
  for (const old of [...parent.children]) if (!wanted.has(old)) old.remove();
  elements.forEach((made, index) => { if (parent.children[index] !== made) parent.insertBefore(made, parent.children[index] ?? null); });
}

function showKeyboard(rows) {
  const made = rows.map((row) => element("div", "", ...row.map((text) => {
    const key = element("button", "", text);
    key.addEventListener("click", () => attempt(() => server.say(view.chat.id, text)));
    return key;
  })));
  get("keyboard").replaceChildren(...made);
  get("keyboard").hidden = !rows.length;
}

// Puts the cursor into the line, except where that would open a keyboard on the screen.
function write() {
  if (!matchMedia("(pointer: coarse)").matches) get("text").focus({ preventScroll: true });
}

function toEnd(at_once) {
  const scroll = get("scroll");
  scroll.scrollTo({ top: scroll.scrollHeight, behavior: at_once ? "instant" : "smooth" });
}

async function refresh() {
  if (!openId) return;
  const id = openId;
  const fresh = await server.chat(id);
  const stale = view?.chat.id === id && fresh.version < view.version && fresh.version > 0;
  if (id === openId && !stale) showChat(fresh);
}

async function open(id) {
  openId = id;
  sessionStorage.setItem("chat", id);
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  get("messenger").classList.toggle("in-chat", Boolean(id));
  get("welcome").hidden = Boolean(id);
  get("chat").hidden = !id;
  for (const row of document.querySelectorAll(".person")) row.toggleAttribute("aria-current", false);
  const row = document.querySelector(`.person[data-chat="${id}"]`);
  row?.setAttribute("aria-current", "true");
  row?.querySelector(".new")?.remove();
  if (id) await attempt(refresh);
  if (id && !get("start").hidden) get("start").focus({ preventScroll: true });
  else if (id) write();
}

async function arrive(name, language) {
  await attempt(async () => open((await server.arrive(name, language)).chat.id));
}

/* Reading and writing */

function say(text) {
  const field = get("text");
  if (field.value.trim() === text.trim() || text.startsWith("/")) { field.value = ""; fit(); }
  return attempt(() => server.say(view.chat.id, text));
}

function prepareMessages() {
  const activate = (event) => {
    const target = event.target;
    const command = target.closest?.("[data-command]");
    const link = target.closest?.(".body a[href]");
    if (command) { event.preventDefault(); say(command.dataset.command); }
    else if (link && act.isOwnLink(link.href)) { event.preventDefault(); attempt(() => follow(link.href)); }
    else if (target.closest?.(".spoiler")) target.closest(".spoiler").classList.add("open");
    else if (target.closest?.(".body code")) copy(target.closest("code").textContent);
  };
  get("messages").addEventListener("click", activate);
  get("messages").addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target.matches("code, .spoiler")) { event.preventDefault(); activate(event); }
  });
  get("scroll").addEventListener("scroll", () => {
    const { scrollHeight, scrollTop, clientHeight } = get("scroll");
    get("jump").hidden = scrollHeight - scrollTop - clientHeight < 260;
  }, { passive: true });
  get("jump").addEventListener("click", () => toEnd(false));
  get("messages").addEventListener("load", () => { if (get("jump").hidden) toEnd(true); }, true);
}

/* Life */

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function live() {
  let version = -1;
  for (;;) {
    try {
      const list = await server.chats(version, 25);
      get("offline").hidden = true;
      if (list.closing) await pause(1000);
      if (list.version < version) { shown.clear(); view = null; } // the sandbox began anew
      version = list.version;
      const mine = list.items.find((chat) => chat.id === openId);
      if (mine && (mine.version !== view?.version || view?.chat.id !== openId)) await refresh();
      if (openId && !mine && list.items.length < 200) await open(0);
      showList(list.items);
    } catch {
      get("offline").hidden = false;
      await pause(1500);
    }
  }
}

function begin() {
  prepareDialogs();
  prepareWriting(() => view?.commands ?? [], say);
  prepareMessages();
  get("new-customer").addEventListener("click", async () => {
    const newcomer = await askNewcomer();
    if (newcomer) await arrive(newcomer.name, newcomer.language);
  });
  for (const choice of document.querySelectorAll("[data-arrive]")) {
    choice.addEventListener("click", () => arrive("", choice.dataset.arrive));
  }
  get("back").addEventListener("click", () => open(0));
  get("start").addEventListener("click", () => say("/start"));
  get("unblock").addEventListener("click", () => attempt(() => server.unblock(view.chat.id)));
  get("faults").addEventListener("click", () => attempt(() => showFaults(view.chat)));
  if (openId) open(openId);
  live();
}

begin();
