// Says all messages of its job at once to the server that the job names, and reports to /result what came.
"use strict";
const mark = new URLSearchParams(location.search).get("mark");

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// What came, in the short form of the other clients.
async function brief([kind, data]) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  const hex = Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [kind, data.length, hex];
}

function talk(job) {
  const [socket, said, injected] = [new WebSocket(job.url), [], []];
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    const kind = typeof data === "string" ? "text" : "binary";
    const payload = kind === "text" ? new TextEncoder().encode(data) : new Uint8Array(data);
    const text = new TextDecoder().decode(payload);
    if (text.startsWith("injected ")) injected.push([kind, text]);
    else said.push([kind, payload]);
    if (data === job.end) socket.close(1000);
  };
  socket.onopen = () => {
    for (const { kind, base64 } of job.messages) {
      const payload = bytes(base64);
      socket.send(kind === "text" ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(payload) : payload);
    }
  };
  return new Promise((found) => {
    socket.onclose = ({ code }) => found({ said, injected, code, extensions: socket.extensions });
  });
}

async function all() {
  const { said, ...rest } = await talk(await (await fetch(`/steps/${mark}`)).json());
  return { ...rest, received: await Promise.all(said.map(brief)) };
}

const report = (result) => fetch(`/result/${mark}`, { method: "POST", body: JSON.stringify(result) });
addEventListener("load", () => all().then(report, (error) => report({ error: String(error) })));
