// Has the conversation of steps.json with the server that the page came from, and reports to /result.
"use strict";
const query = new URLSearchParams(location.search);

const base64 = (bytes) => {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text);
};
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const kindAndBase64 = (data) =>
  typeof data === "string" ? ["text", base64(new TextEncoder().encode(data))] : ["binary", base64(data)];

const event = (target, name) =>
  new Promise((found, failed) => {
    target.addEventListener(name, found, { once: true });
    target.addEventListener("error", () => failed(new Error(`error before ${name}`)), { once: true });
  });

async function talk() {
  const job = await (await fetch(`/steps/${query.get("mark")}`)).json();
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket?${query}`, job.subprotocols);
  socket.binaryType = "arraybuffer";
  await event(socket, "open");
  const closed = event(socket, "close");
  const received = [];
  for (const step of job.steps) {
    if (step.do === "close") {
      socket.close(step.code, step.reason);
    } else {
      const next = event(socket, "message");
      socket.send(step.do === "binary" ? bytes(step.base64) : step.text);
      received.push(kindAndBase64((await next).data));
    }
  }
  if (job.closed_by_server) socket.send(job.closed_by_server);
  const { code, reason } = await closed;
  const seen = { subprotocol: socket.protocol, extensions: socket.extensions, received };
  return { ...seen, close_code: code, close_reason: reason };
}

const colour = () => getComputedStyle(document.getElementById("says")).color;

const report = (result) =>
  fetch(`/result/${query.get("mark")}`, { method: "POST", body: JSON.stringify({ ...result, colour: colour() }) });
// A socket that was refused is a result, too.
addEventListener("load", () => talk().then(report, (error) => report({ error: String(error) })));
