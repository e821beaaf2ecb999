// Messages as elements. The HTML of a message comes from the sandbox, which escapes all that is not its own markup.
const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "long" });

export function time(seconds) {
  return TIME.format(new Date(seconds * 1000));
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  return date.toDateString() === new Date().toDateString() ? "Today" : DAY.format(date);
}

export function money(amount, currency) {
  if (currency === "XTR") return `${amount} ⭐`;
  const format = new Intl.NumberFormat([], { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function textOf(item) {
  const html = item.html ?? item.caption_html;
  if (html === undefined) return null;
  const body = element("div", "body");
  body.innerHTML = html;
  return body;
}

function picture(photo, act) {
  const image = element("img");
  image.src = photo.url;
  image.width = photo.width;
  image.height = photo.height;
  image.alt = "Picture from the bot";
  const button = element("button", "picture", image);
  button.setAttribute("aria-label", "Show the picture large");
  button.addEventListener("click", () => act.picture(photo));
  return button;
}

function file(document_) {
  const names = element("span", "", element("b", "", document_.name), element("br"), element("small", "", `${Math.ceil(document_.size / 1024)} KB`));
  const link = element("a", "file", element("i", "", "↓"), names);
  link.href = document_.url;
  link.setAttribute("download", document_.name);
  return link;
}

function bill(invoice) {
  return element(
    "div", "bill", element("b", "", invoice.title), element("small", "", invoice.description), element("br"),
    element("span", "price", money(invoice.total_amount, invoice.currency) + (invoice.paid ? " · paid" : "")),
  );
}

function button(item, shown, act) {
  const link = shown.url && !act.isOwnLink(shown.url);
  const made = element(link ? "a" : "button", "tap", shown.text);
  if (shown.style) made.classList.add(shown.style);
  if (link) {
    made.href = shown.url;
    made.target = "_blank";
    made.rel = "noopener noreferrer";
    made.classList.add("away");
    return made;
  }
  if (shown.pay) made.classList.add("pay");
  if (shown.copy) made.classList.add("copies");
  made.addEventListener("click", async () => {
    made.setAttribute("aria-busy", "true");
    await act.press(item, shown);
    made.removeAttribute("aria-busy");
  });
  return made;
}

export function message(item, act) {
  if (item.service) {
    const what = item.service.kind === "refunded_payment" ? "Refunded" : "Paid";
    return element("div", "service", `${what} ${money(item.service.amount, item.service.currency)}`);
  }
  const bubble = element("div", "bubble");
  if (item.reply_to) bubble.append(element("div", "quote", item.reply_to.text));
  if (item.photo) bubble.append(picture(item.photo, act));
  if (item.document) bubble.append(file(item.document));
  if (item.invoice) bubble.append(bill(item.invoice));
  const body = textOf(item);
  if (body) bubble.append(body);
  const stamp = element("time", "stamp", (item.edited ? "edited " : "") + time(item.date));
  stamp.dateTime = new Date(item.date * 1000).toISOString();
  (body ?? bubble).append(stamp);
  const made = element("article", `message ${item.from}`, bubble);
  if (item.photo) made.classList.add("with-picture");
  made.setAttribute("aria-label", item.from === "bot" ? "Bot" : "You");
  if (item.buttons.length) {
    const rows = item.buttons.map((row) => element("div", "", ...row.map((shown) => button(item, shown, act))));
    made.append(element("div", "buttons", ...rows));
  }
  return made;
}

export function typing() {
  const made = element("article", "message bot first typing", element("div", "bubble", element("span", "dots", element("i"), element("i"), element("i"))));
  made.setAttribute("aria-hidden", "true");
  return made;
}
