// Opens fifty WebSockets at once, says ten messages on each, and reports to /result what came back.
"use strict";
const mark = new URLSearchParams(location.search).get("mark");
const [SOCKETS, MESSAGES] = [50, 10];

const event = (target, name) =>
  new Promise((found, failed) => {
    target.addEventListener(name, found, { once: true });
    target.addEventListener("error", () => failed(new Error(`error before ${name}`)), { once: true });
  });

async function open(number) {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket?mark=${mark}&number=${number}`);
  const received = [];
  socket.addEventListener("message", ({ data }) => received.push(data));
  await event(socket, "open");
  return { number, socket, received };
}

async function talk({ number, socket, received }) {
  const closed = event(socket, "close");
  for (let i = 0; i < MESSAGES; i++) {
    const echoed = event(socket, "message");
    socket.send(`socket ${number}, message ${i}`);
    await echoed;
  }
  socket.close(4050, `socket ${number}`);
  const { wasClean } = await closed;
  return { number, received, clean: wasClean };
}

async function all() {
  const conversations = await Promise.all(Array.from({ length: SOCKETS }, (_, number) => open(number)));
  // All of them are open before the first says a word.
  const open_at_once = conversations.filter(({ socket }) => socket.readyState === WebSocket.OPEN).length;
  return { open_at_once, conversations: await Promise.all(conversations.map(talk)) };
}

const report = (result) => fetch(`/result/${mark}`, { method: "POST", body: JSON.stringify(result) });
addEventListener("load", () => all().then(report, (error) => report({ error: String(error) })));
