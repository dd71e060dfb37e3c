// A GraphQL client on `graphql-ws`: a query and a subscription. Its job is JSON on standard input, its findings on output.
"use strict";
const fs = require("node:fs");
const { createClient } = require("graphql-ws");
const { HttpProxyAgent } = require("http-proxy-agent");
const { HttpsProxyAgent } = require("https-proxy-agent");
const WebSocket = require("ws");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const options = { perMessageDeflate: { threshold: 0 } };
if (job.ca) options.ca = job.ca;
if (job.proxy) options.agent = job.way === "absolute" ? new HttpProxyAgent(job.proxy) : new HttpsProxyAgent(job.proxy);

class Proxied extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, options);
  }
}

async function all(client, query, variables) {
  const values = [];
  for await (const { data, errors } of client.iterate({ query, variables })) {
    if (errors) throw errors[0];
    values.push(data);
  }
  return values;
}

(async () => {
  const url = `${job.url.replace(/^http/, "ws")}/graphql?mark=${job.mark}`;
  const failed = (error) => {
    throw error;
  };
  // Not lazy: one connection for both, closed by dispose().
  const client = createClient({ url, webSocketImpl: Proxied, lazy: false, retryAttempts: 0, onNonLazyError: failed });
  const closed = new Promise((found) => client.on("closed", found));
  const greeting = await all(client, "query ($name: String!) { greeting(name: $name) }", { name: "世界" });
  const count = await all(client, "subscription ($to: Int!) { count(to: $to) }", { to: 5 });
  client.dispose();
  await closed;
  console.log(JSON.stringify({ greeting, count }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
