// What both ends of a judged conversation do on `ws`: note what comes, send in parts what wants to be.
"use strict";
const crypto = require("node:crypto");

const [INJECTED, PARTS] = ["injected ", "parts=3"];

// Keeps a short form of each message; says whether it was one of the conversation, or injected by the way.
function note(seen, data, binary) {
  const kind = binary ? "binary" : "text";
  if (data.subarray(0, INJECTED.length).toString("latin1") === INJECTED) {
    seen.injected.push([kind, data.toString()]);
    return false;
  }
  const digest = crypto.createHash("sha256").update(data).digest("hex").slice(0, 16);
  seen.received.push([kind, data.length, digest]);
  return true;
}

// Sends a message; one that says so in three parts, with a Ping in between.
function say(socket, data, binary) {
  if (!data.includes(PARTS)) return socket.send(data, { binary });
  const third = Math.floor(data.length / 3);
  socket.send(data.subarray(0, third), { binary, fin: false });
  socket.ping("between");
  socket.send(data.subarray(third, third), { binary, fin: false });
  socket.send(data.subarray(third), { binary, fin: true });
}

module.exports = { note, say };
