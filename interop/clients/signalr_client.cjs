// A SignalR client: negotiate, an invocation, a stream. Its job is JSON on standard input, its findings on output.
"use strict";
const fs = require("node:fs");
const { HttpProxyAgent } = require("http-proxy-agent");
const { HttpsProxyAgent } = require("https-proxy-agent");
const undici = require("undici");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const options = { perMessageDeflate: { threshold: 0 } };
if (job.ca) options.ca = job.ca;
if (job.proxy) options.agent = job.way === "absolute" ? new HttpProxyAgent(job.proxy) : new HttpsProxyAgent(job.proxy);

// It negotiates with the fetch that is there, which knows no proxy by itself.
const tls = job.ca ? { ca: job.ca } : undefined;
const dispatcher = job.proxy
  ? new undici.ProxyAgent({ uri: job.proxy, requestTls: tls, proxyTunnel: job.way !== "absolute" })
  : new undici.Agent({ connect: tls });
globalThis.fetch = (url, init) => undici.fetch(url, { ...init, dispatcher });

const signalr = require("@microsoft/signalr");
// The version of `ws` that the package itself asks for.
const WebSocket = require(require.resolve("ws", { paths: [require.resolve("@microsoft/signalr")] }));
class Proxied extends WebSocket {
  constructor(address, protocols, more) {
    super(address, protocols, { ...options, ...more });
  }
}

(async () => {
  const hub = new signalr.HubConnectionBuilder()
    .withUrl(`${job.url}/hub?mark=${job.mark}`, { WebSocket: Proxied })
    .configureLogging(signalr.LogLevel.Warning)
    .build();
  const said = new Promise((found) => hub.on("said", found));
  await hub.start();
  const echo = await hub.invoke("Echo", "Grüße, 世界");
  const count = [];
  await new Promise((complete, error) => hub.stream("Count", 5).subscribe({ next: (n) => count.push(n), complete, error }));
  const findings = { echo, said: await said, count };
  await hub.stop();
  console.log(JSON.stringify(findings));
  await dispatcher.close();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
