// The sandbox's HTTP, as a script would use it.
const BASE = "/sandbox/telegram";

export class Refused extends Error {}

async function ask(method, path, body) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(BASE + path, options);
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Refused(problem.detail || `The sandbox answered ${response.status}.`);
}

export const server = {
  chats: (after, wait) => ask("GET", `/chats?after=${after}&wait=${wait}`),
  chat: (id) => ask("GET", `/chats/${id}`),
  arrive: (name, language) => ask("POST", "/chats", { name, language_code: language }),
  say: (id, text) => ask("POST", `/chats/${id}/messages`, { text }),
  tap: (id, message, data) => ask("POST", `/chats/${id}/taps`, { message_id: message, data, wait: 15 }),
  pay: (id, what) => ask("POST", `/chats/${id}/pay`, what),
  block: (id) => ask("POST", `/chats/${id}/block`),
  unblock: (id) => ask("POST", `/chats/${id}/unblock`),
  faults: () => ask("GET", "/faults"),
  arm: (fault) => ask("POST", "/faults", fault),
  clear: () => ask("DELETE", "/faults"),
};
