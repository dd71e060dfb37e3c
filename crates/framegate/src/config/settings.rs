//! What can be set, typed, each with its safe default and its documentation.
//!
//! A setting has one dotted name everywhere: `limits.frame_bytes_max` in the file, in `--set` and, as
//! `FRAMEGATE_LIMITS__FRAME_BYTES_MAX`, in the environment. A limit has its unit in its name.
//!
//! Each line of the list below is `name: type = default, which values it takes;`. What stands behind `list` is a list
//! of tables, and each line a column of it; one without a default must be given in each row. The comments are the
//! users' reference as well: `docs/configuration.md` is made of them.

use std::net::SocketAddr;

// Each form and each word is there for this list.
use super::forms::*;
use super::mode::{Mode, loopback};
use super::schema::Kind::{Flag, List, Maybe, Number, Text, Word, Words};
use super::words::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const GIB: i64 = 1 << 30;

super::schema::settings! {
    /// Where clients and users reach the proxy.
    "listen" => listen: Listen {
        /// The doors. The command line's `--mode` replaces the whole list.
        modes: Vec<Mode> = vec![Mode::Regular { addr: loopback(8080) }], List(DOOR);
        /// The address of the HTTP API; the command line's `--control`. Port 0: a free one.
        control: SocketAddr = loopback(8081), Text(ADDR);
        /// Threads that carry connections. 0: as many as there are processor cores.
        threads: usize = 0, Number(0, 1024);
    }

    /// What the proxy takes upon itself at the most.
    "limits" => limits: Limits {
        /// One frame's payload; Close 1009 beyond it.
        frame_bytes_max: u64 = 16 << 20, Number(125, 1024 * GIB);
        /// One message, assembled and inflated; Close 1009 beyond it. Where `wire.violations` is `relay` and nobody
        /// judges, nobody inflates a message before it leaves, and the payload of its frames on the wire is what counts;
        /// if it inflates beyond the limit, it passes, and is cut there in the record and flagged. Of a message that is
        /// held until it is whole, the headers of its frames may take as much again, and 1 MiB in any case.
        message_bytes_max: u64 = 64 << 20, Number(125, 1024 * GIB);
        /// Inflated to compressed size of one message, looked at once it has inflated to more than 64 KiB: after every
        /// 16 KiB of compressed bytes, and at its end; Close 1009 beyond it. Where `wire.violations` is `relay` and
        /// nobody judges, nobody inflates a message before it leaves, and it passes. The recorder holds it against what
        /// goes beyond `limits.message_bytes_max` only: such a message is given up, cut in the record and flagged, and
        /// under context takeover the compressed messages behind it in that direction are kept as they came, flagged as
        /// not inflated.
        inflate_ratio_max: u32 = 200, Number(1, 1_000_000);
        /// Messages of one direction of a connection that wait for a judge, or behind one that does: while there are so
        /// many, nothing more is read of their sender, and what has been read of it, up to 128 KiB, is kept as it came.
        /// As many injected messages may wait until a fragmented message is complete; a further one is refused.
        held_messages_max: usize = 1024, Number(1, 1_000_000);
        /// Bytes that they take, as they came and inflated. The message that goes beyond it is still read to its end.
        /// As many bytes of injected messages may wait, or one longer message.
        held_bytes_max: usize = 4 << 20, Number(1024, 64 * GIB);
        /// Client connections open at once, over all doors; further ones wait to be accepted.
        connections_max: usize = 10_000, Number(1, 10_000_000);
        /// Close 1001 to both peers when neither has sent a byte for so long. 0: never.
        idle_ms: u64 = 0, Number(0, 365 * DAY_MS);
        /// For a request head, a TLS handshake, a dial, an answer to an upgrade: each.
        handshake_ms: u64 = 10_000, Number(1, DAY_MS);
        /// For the second Close, and for the end of the stream after it.
        close_ms: u64 = 5_000, Number(1, DAY_MS);
        /// How long open connections may go on after SIGTERM before they are closed with 1001.
        drain_ms: u64 = 5_000, Number(0, DAY_MS);
        /// Start line and header fields of one request or response.
        head_bytes_max: usize = 64 << 10, Number(1024, 16 << 20);
        /// Header fields of one request or response.
        headers_max: usize = 128, Number(8, 10_000);
        /// How long CONNECT waits for the client's first bytes before it takes the tunnel for a protocol in which the
        /// server speaks first.
        sniff_ms: u64 = 500, Number(0, DAY_MS);
        /// After so long without a byte from a peer, TCP asks whether it is still there, four times within as long
        /// again: so a peer whose machine or network is gone is noticed. 0: never. While bytes are on their way to such
        /// a peer, TCP does not ask but sends them again, for as long as the system has it: some 15 minutes on Linux.
        tcp_keepalive_ms: u64 = 60_000, Number(0, DAY_MS);
        /// How long a client's connection may wait for its next HTTP request.
        keep_alive_ms: u64 = 75_000, Number(1, DAY_MS);
        /// How long an HTTP exchange may stand still, without a byte either way: then a client whose server has not
        /// begun to answer gets 504, one that does not finish its own request 408, and what has begun ends. 0: for ever.
        http_idle_ms: u64 = 300_000, Number(0, DAY_MS);
        /// A client that ends its stream so soon after its request still wants the response; later, it has left, and
        /// the server's connection ends too. 0: it has always left.
        half_close_ms: u64 = 1_000, Number(0, DAY_MS);
        /// Messages that a peer may send in a second, in one connection; Close 1008 beyond it. Control frames count, and a
        /// fragmented message counts when it begins. What was not used is saved up, for one second. 0: no limit.
        messages_per_second_max: u64 = 0, Number(0, 1_000_000_000);
        /// Bytes of frames, as they come and with their headers, that a peer may send in a second, in one connection;
        /// Close 1008 beyond it. A frame counts when it begins, and none may be longer than that. 0: no limit.
        bytes_per_second_max: u64 = 0, Number(0, 1024 * GIB);
        /// Messages that a peer may send in one connection, control frames among them; Close 1008 beyond it. 0: no limit.
        messages_max: u64 = 0, Number(0, i64::MAX);
        /// Close 1001 to both peers of a WebSocket so long after it was opened. 0: never.
        lifetime_ms: u64 = 0, Number(0, 365 * DAY_MS);
        /// WebSockets that one source may have open: an IPv4 address, or an IPv6 network of 64 bits. A further one gets
        /// 429, and nothing is dialled for it. Behind a proxy of `gateway.trusted_proxies` the source is the client that
        /// its `X-Forwarded-For` names. 0: no limit.
        source_connections_max: usize = 0, Number(0, 10_000_000);
        /// WebSockets that one source may ask for in a minute; then 429. What was not used is saved up, for one minute.
        /// 0: no limit.
        source_connections_per_minute_max: u64 = 0, Number(0, 1_000_000_000);
        /// As `limits.messages_per_second_max`, for what a source sends in all of its connections together.
        source_messages_per_second_max: u64 = 0, Number(0, 1_000_000_000);
        /// As `limits.bytes_per_second_max`, for what a source sends in all of its connections together.
        source_bytes_per_second_max: u64 = 0, Number(0, 1024 * GIB);
    }

    /// Who may open a WebSocket through the gateway and reverse doors. Browsers let the pages of every site open one to
    /// every server, and send the user's cookies along: without a list any page can speak for a user who visits it.
    "upgrade" => upgrade: Upgrade {
        /// From which pages, by their origin: `https://app.example`, with a port that is not the scheme's own;
        /// `https://*.example.com` for all hosts below that one; `null` for pages without an origin; `*` for all. Others
        /// get 403, and nothing is dialled for them. Empty: from all.
        origins_allow: Vec<String> = Vec::new(), List(ORIGIN);
        /// Whether a request must have an `Origin` where there is a list. Clients that are no browsers often have none.
        origin_required: bool = true, Flag;
    }

    /// How strictly RFC 6455 and RFC 7692 are held.
    "wire" => wire: Wire {
        /// What happens to a peer's violation: `relay` passes the bytes on and flags the record, `close` sends both
        /// peers a Close. Unset, it is `close` where a rule of `safety.input` or of `schemas` blocks, since a server could read a
        /// message that breaks the protocol otherwise than the rules did, and `relay` elsewhere.
        violations: Option<Violations> = None, Maybe(&Word(&["relay", "close"]));
        /// Text messages and close reasons must be UTF-8; otherwise it is a violation (1007).
        validate_utf8: bool = false, Flag;
    }

    /// What is looked for in messages from client to server, and what becomes of a message in which it is found. Each
    /// text message is read whole: assembled, inflated and unmasked, however it was sent. A rule of
    /// `safety.input.rules` or of a preset that matches blocks it: it does not leave, the server gets no byte of it,
    /// and it is on record with the fate `blocked` and the id of the rule. Rules find what they describe and no other
    /// spelling of it, such as the same words in base64: they guard a server beside its own checks, not in their place.
    "safety.input" => safety_input: SafetyInput {
        /// What becomes of a message that a rule matches: `block`, or `log_only`, with which it passes and is flagged
        /// in the record. A rule may have an action of its own.
        action: SafetyAction = SafetyAction::Block, Word(&["block", "log_only"]);
        /// Rules that come with framegate, by the name of their set.
        presets: Vec<String> = Vec::new(), Words(&[
            "destructive-sql", "destructive-os-command", "sql-injection", "xss", "path-traversal", "secrets",
        ]);
        /// Binary messages are read as well, byte for byte. Without it a client that sends its text as a binary message
        /// is not looked at: turn it on unless the server refuses those itself.
        binary: bool = false, Flag;
        /// Messages from server to client are read as well, by the same rules.
        receive: bool = false, Flag;
        /// A blocked message also ends the conversation: Close 1008 to both peers. Without it neither of them is told.
        close: bool = false, Flag;
        /// A longer message is not read, because whoever makes one that is expensive to read would hold up all others:
        /// it is treated as `action` says, as a match of the rule `too-long`. With `log_only` it passes, even where a
        /// rule has `block` of its own.
        bytes_max: usize = 1 << 20, Number(125, GIB);
    }
    list {
        /// Rules of one's own for `safety.input`. A rule matches by its `pattern`, by its `when`, or, with both, where
        /// both hold.
        "safety.input.rules" => safety_input_rules: Vec<InputRule> {
            /// The rule's name, on record and in metrics. No other rule of the list has it, and `too-long` is taken.
            id: String, Text(ID);
            /// Found anywhere in the payload, unless it is bound with `^` and `$`; `(?i)` at its beginning ignores
            /// case.
            pattern: Option<String> = None, Maybe(&Text(REGEX));
            /// The messages it is for, by what is known before they leave.
            when: Option<String> = None, Maybe(&Text(FILTER));
            /// Instead of `safety.input.action`.
            action: Option<SafetyAction> = None, Maybe(&Word(&["block", "log_only"]));
        }
    }

    /// What is taken out of text messages from server to client, such as the numbers of credit cards. Each match is
    /// replaced, and the rest of the message stays as it is. Binary messages are passed on unread. Control frames go to
    /// the client as they came; on record they are redacted, and so is the reason of a Close.
    "safety.output" => safety_output: SafetyOutput {
        /// Where it is taken out. `record`: what is kept does not have it, nor what is searched and exported, and the
        /// client gets the message as it came. `forward`: the client does not get it, and the record keeps what the
        /// server sent. `both`: neither has it, and nothing can bring it back.
        apply_to: ApplyTo = ApplyTo::Record, Word(&["record", "forward", "both"]);
        /// Rules that come with framegate, by the name of their set.
        presets: Vec<String> = Vec::new(), Words(&[
            "credit-card", "email", "phone", "japan-my-number", "api-key", "jwt", "private-key",
        ]);
        /// A longer text is not read, and so does not go to the client where `apply_to` is `forward` or `both`: it is
        /// blocked, as a match of the rule `too-long`. What the record keeps of it is redacted all the same.
        bytes_max: usize = 1 << 20, Number(125, GIB);
    }
    list {
        /// Rules of one's own for `safety.output`.
        "safety.output.rules" => safety_output_rules: Vec<OutputRule> {
            /// The rule's name on record. No other rule of the list has it, and `too-long` is taken.
            id: String, Text(ID);
            /// What is taken out, wherever it stands in the payload.
            pattern: String, Text(REGEX_OF_SOMETHING);
            /// What stands in its place, as it is: a `$` means nothing here.
            replacement: String = "[redacted]".to_owned(), Text(ANY_TEXT);
        }
    }
    list {
        /// The form that messages must have: JSON Schemas, behind `safety.input` and before anybody changes a message, and
        /// again if anybody has. What is no JSON has not the form, nor has an object with a key twice: a server could
        /// read the other one. A message is held against all schemas that are for it.
        "schemas" => schemas: Vec<SchemaRow> {
            /// The schema's name on record. No other has it.
            id: String, Text(ID);
            /// Where the file is. A `$ref` in it may lead to files in its directory and below; nothing is fetched.
            path: String, Text(SCHEMA_FILE);
            /// Which way the messages go. `client_to_server` is `send`, `server_to_client` is `receive`.
            direction: RuleDirection = RuleDirection::Send, Word(DIRECTIONS);
            /// The route whose WebSockets it is for, by its `id`; unset: all. No spelling of a path evades that.
            route: Option<String> = None, Maybe(&Text(ID));
            /// The messages it is for, by what is known before they leave, such as `host == "chat.example"`. Whatever
            /// it asks of the message itself its sender decides.
            when: Option<String> = None, Maybe(&Text(FILTER));
            /// What becomes of a message that has not the form: `block`, and it does not leave; `close`, and the
            /// conversation ends with 1008 too; `log_only`, and it passes and is flagged in the record.
            action: SchemaAction = SchemaAction::Block, Word(&["block", "close", "log_only"]);
            /// What a binary message is: a `violation`, or none of the schema's business, `pass`.
            binary: SchemaBinary = SchemaBinary::Violation, Word(&["violation", "pass"]);
            /// A longer message is not read, and has not the form.
            bytes_max: usize = 1 << 20, Number(125, GIB);
        }
    }
    list {
        /// Plugins: Starlark files with hooks that are called with each text and binary message, and may replace it,
        /// drop it or end the conversation; they are asked in their order. A plugin has no access to files, to the
        /// network or to the messages of other flows, and each of its calls has limits.
        "plugins" => plugins: Vec<PluginFile> {
            /// Where the file is.
            path: String, Text(PLUGIN_FILE);
            /// The plugin's name on record and in the log. Unset: the file's name without `.star`. No other plugin has
            /// it.
            id: String = String::new(), Maybe(&Text(ID));
            /// What happens when a call fails, or goes beyond one of its limits: with `skip` the message goes on as it
            /// was, with `close` the conversation ends. A plugin that has to see every message wants `close`: a peer
            /// may know which messages it fails at.
            on_error: OnPluginError = OnPluginError::Skip, Word(&["skip", "close"]);
            /// How much of the processor's time one call may take. Waiting for a busy machine does not count.
            time_ms: u64 = 50, Number(1, 10_000);
            /// How many rounds of loops and calls of functions one call may make, whatever the time.
            ticks_max: u64 = 1_000_000, Number(1000, 1_000_000_000);
            /// How much one call may make on its heap.
            memory_bytes: usize = 16 << 20, Number(64 << 10, GIB);
            /// How much the plugin may keep from call to call for one flow.
            state_bytes: usize = 64 << 10, Number(0, GIB);
        }
    }

    /// Messages that are held until a person lets them go, as they are or changed, or drops them. While one is held,
    /// the messages behind it in its direction wait. Nothing is held without a rule in `intercept.rules`.
    "intercept" => intercept: Intercept {
        /// How long a message is held at the most; then `intercept.on_timeout` decides.
        hold_ms: u64 = 300_000, Number(1, DAY_MS);
        /// What becomes of a message that nobody decided about in time.
        on_timeout: OnHold = OnHold::Release, Word(&["release", "drop"]);
        /// Messages held at once, over all flows.
        held_max: usize = 100, Number(1, 100_000);
        /// Bytes of their payloads, over all flows.
        held_bytes_max: usize = 64 << 20, Number(1024, 64 * GIB);
        /// What becomes of a message that would be held beyond either of the two. With `release` a peer that sends
        /// enough gets the rest past the person.
        on_full: OnHold = OnHold::Release, Word(&["release", "drop"]);
    }
    list {
        /// Which messages are held: those that a rule matches in everything it says. A rule says at least one thing.
        "intercept.rules" => intercept_rules: Vec<InterceptRule> {
            /// The rule's name. No other rule of the list has it.
            id: String, Text(ID);
            /// The messages it is for, by what is known before they leave.
            when: Option<String> = None, Maybe(&Text(FILTER));
            /// Which way they go. `client_to_server` is `send`, `server_to_client` is `receive`.
            direction: RuleDirection = RuleDirection::Both, Word(DIRECTIONS);
            /// Found anywhere in the URL of the upgrade.
            url: Option<String> = None, Maybe(&Text(REGEX));
            /// Text or binary messages.
            opcode: RuleOpcode = RuleOpcode::Any, Word(&["text", "binary", "any"]);
            /// Found anywhere in the payload.
            payload: Option<String> = None, Maybe(&Text(REGEX));
        }
    }
    list {
        /// What is replaced in messages: each rule has one of `pattern`, `literal` and `json`, and all rules that are
        /// for a message change it in their order, each what the ones before it left. The record keeps what came and
        /// what went on.
        "rewrite" => rewrite: Vec<RewriteRule> {
            /// The rule's name on record. Unset: its place in the list, from 1. No other rule has it.
            id: String = String::new(), Maybe(&Text(ID));
            /// Which way the messages go. `client_to_server` is `send`, `server_to_client` is `receive`.
            direction: RuleDirection = RuleDirection::Both, Word(DIRECTIONS);
            /// The messages it is for, by what is known before they leave.
            when: Option<String> = None, Maybe(&Text(FILTER));
            /// What is replaced, wherever it is found in the payload.
            pattern: Option<String> = None, Maybe(&Text(REGEX));
            /// A text that is replaced wherever it stands in the payload.
            literal: Option<String> = None, Maybe(&Text(ANY_TEXT));
            /// The place whose value is replaced, in a payload that is JSON, as a filter has it behind `json.`: names,
            /// keys in brackets and quotes, places in brackets.
            json: Option<String> = None, Maybe(&Text(JSON_PATH));
            /// What stands in its place; it may be empty. With `pattern`, `$1` and `${name}` are its groups, and `$$`
            /// is a dollar. With `json` it is the new value: JSON if it reads as such, or else a text. With `literal`
            /// it is as it stands.
            replacement: String, Text(ANY_TEXT);
        }
    }

    /// The gateway door: where a connection goes, and who judges it, say `x-wsproxy-*` header fields that the proxy in
    /// front puts on the upgrade, or else `routes`. What neither says is as it is here.
    "gateway" => gateway: Gateway {
        /// Whose `x-wsproxy-*` fields are believed, and whose word on where a client comes from: addresses and networks.
        /// A request from elsewhere that has such a field gets 403, and nothing is dialled for it.
        trusted_proxies: Vec<String> = vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()], List(NETWORK);
        /// A field that the proxy in front puts on each request, as `name: value`; one with `x-wsproxy-*` fields and
        /// without it gets 403. Empty: none is asked for.
        secret_header: String = String::new(), Text(SECRET_HEADER);
        /// Which upstreams an `x-wsproxy-upstream` may name: a name stands for itself, an address or a network for
        /// every name that leads there. Empty: all but link-local addresses and the metadata services of clouds.
        upstream_allow: Vec<String> = Vec::new(), List(HOST_PATTERN);
        /// Which hooks an `x-wsproxy-inboundhook` or `-outboundhook` may name, in the same way.
        hook_allow: Vec<String> = Vec::new(), List(HOST_PATTERN);
        /// What becomes of a binary message while a hook judges its direction: `close` ends the conversation with 1003,
        /// `hook` asks the hook about it too, `pass` lets it go unjudged, which is counted. `x-wsproxy-binary`.
        binary: OnBinary = OnBinary::Close, Word(&["close", "hook", "pass"]);
        /// Whether the proxy speaks permessage-deflate with a client that offers it. `x-wsproxy-compress`.
        compress: bool = false, Flag;
        /// Whether it offers permessage-deflate to the upstream, whatever it speaks with the client.
        compress_upstream: bool = false, Flag;
        /// Close 1001 to both peers when neither has sent a byte for so long. 0: never. `x-wsproxy-idletimeout`.
        idle_ms: u64 = 60_000, Number(0, 365 * DAY_MS);
        /// One frame's payload, and one message, assembled and inflated; Close 1009 beyond it.
        /// `x-wsproxy-maxframesize`.
        message_bytes_max: u64 = 2048, Number(125, 1024 * GIB);
        /// Text messages must be UTF-8; Close 1007 otherwise. `x-wsproxy-validateutf8`.
        validate_utf8: bool = false, Flag;
        /// Whether `X-Forwarded-For`, `-Proto` and `-Host` on the way to the upstream say where the client came from.
        forwarded: bool = false, Flag;
    }
    list {
        /// Where connections of the gateway door go that no header field sends anywhere, and who judges them. The first
        /// route that matches a request in everything it says is the one; what a route leaves out is as `gateway` and
        /// `hook` have it. WebSockets of the reverse doors that a route matches are the route's in the same way.
        "routes" => routes: Vec<RouteRow> {
            /// The route's name, in the log and in metrics. Unset: its place in the list, from 1. No other has it.
            id: String = String::new(), Maybe(&Text(ID));
            /// The `Host` of the request, without its port.
            host: Option<String> = None, Maybe(&Text(HOST_PATTERN));
            /// What the path of the request begins with: whole parts of it, so that `/chat` is for `/chat` and
            /// `/chat/a`, and not for `/chats`.
            path: Option<String> = None, Maybe(&Text(PATH));
            /// One of the subprotocols that the client offers.
            subprotocol: Option<String> = None, Maybe(&Text(TOKEN));
            /// Where it goes, as `ws://host:port` or `wss://host:port`: several are taken in turn, and one that cannot
            /// be reached is passed over. None: where `x-wsproxy-upstream` says, or to the server of the reverse door.
            upstream: Vec<String> = Vec::new(), List(UPSTREAM);
            /// The URL of the hook that judges messages from client to server.
            send_hook: Option<String> = None, Maybe(&Text(HOOK_URL));
            /// The method of its requests.
            send_hook_method: String = "POST".to_owned(), Text(TOKEN);
            /// Header fields of its requests, each as `name: value`.
            send_hook_headers: Vec<String> = Vec::new(), List(HOOK_HEADER);
            /// The URL of the hook that judges messages from server to client.
            receive_hook: Option<String> = None, Maybe(&Text(HOOK_URL));
            /// The method of its requests.
            receive_hook_method: String = "POST".to_owned(), Text(TOKEN);
            /// Header fields of its requests, each as `name: value`.
            receive_hook_headers: Vec<String> = Vec::new(), List(HOOK_HEADER);
            /// Instead of `gateway.binary`.
            binary: Option<OnBinary> = None, Maybe(&Word(&["close", "hook", "pass"]));
            /// Instead of `gateway.compress`.
            compress: Option<bool> = None, Maybe(&Flag);
            /// Instead of `gateway.compress_upstream`.
            compress_upstream: Option<bool> = None, Maybe(&Flag);
            /// Instead of `gateway.idle_ms`.
            idle_ms: Option<u64> = None, Maybe(&Number(0, 365 * DAY_MS));
            /// Instead of `gateway.message_bytes_max`.
            message_bytes_max: Option<u64> = None, Maybe(&Number(125, 1024 * GIB));
            /// Instead of `gateway.validate_utf8`.
            validate_utf8: Option<bool> = None, Maybe(&Flag);
            /// Instead of `upgrade.origins_allow`.
            origins: Vec<String> = Vec::new(), List(ORIGIN);
        }
    }

    /// How hooks are asked: HTTP endpoints, such as those of a web application firewall, that get each message as a
    /// request, and whose status says whether it goes on. 200 to 204 lets it go, any other ends the conversation with
    /// 1008; a hook that does not answer, or answers 429 or 5xx, has failed.
    "hook" => hook: Hook {
        /// For one request, from connecting to the end of the answer.
        timeout_ms: u64 = 200, Number(1, DAY_MS);
        /// What becomes of a message whose hook has failed: `closed` ends the conversation, `open` lets it go and
        /// counts it. With `shadow` a message goes at once, and no verdict of the hook counts: it is only asked, and what
        /// it would have stopped is logged and counted.
        fail: HookFail = HookFail::Closed, Word(&["closed", "open", "shadow"]);
        /// Instead of `hook.fail`, for messages from server to client.
        fail_receive: Option<HookFail> = None, Maybe(&Word(&["closed", "open", "shadow"]));
        /// Messages of one direction of a connection that are with the hook at once; further ones wait. They leave in
        /// their order, whichever verdict comes first.
        in_flight: usize = 16, Number(1, 10_000);
        /// Connections to hooks, all together; the threads share them out. Requests beyond wait for one.
        /// `WSPROXY_WEBHOOK_POOL_SIZE` sets it too.
        pool_size: usize = 100, Number(1, 100_000);
        /// What the body of a request is: `raw`, the payload and no `Content-Type`; `waf`, what a web application
        /// firewall reads: JSON as `application/json`, all else as a form; `json`, an object with the message and what is
        /// known of it.
        body: HookBody = HookBody::Raw, Word(&["raw", "waf", "json"]);
        /// A longer body is not sent as it is: `hook.on_oversize` says what happens.
        body_bytes_max: usize = 128 << 10, Number(1024, GIB);
        /// What becomes of a message whose body would be longer: `block` ends the conversation with 1009, `truncate`
        /// asks about its beginning, `pass` lets it go; the latter two are counted.
        on_oversize: OnOversize = OnOversize::Block, Word(&["block", "truncate", "pass"]);
        /// Which path and query its requests have: those of the `handshake`, or those of the hook's `url`.
        target: HookTarget = HookTarget::Handshake, Word(&["handshake", "url"]);
        /// Fields of the handshake that its requests repeat.
        handshake_headers: Vec<String> = vec!["User-Agent".to_owned(), "Cookie".to_owned(), "Origin".to_owned()],
            List(TOKEN);
        /// Whether requests say which message they are about: `ce-*` fields, as CloudEvents has them in HTTP.
        cloud_events: bool = true, Flag;
        /// The key of the signature of each request, `webhook-signature`, as Standard Webhooks has it: `whsec_` and
        /// base64. Empty: none is signed.
        signing_key: String = String::new(), Text(SIGNING_KEY);
        /// Which HTTP it is: with `auto`, HTTP/2 where a hook agrees to it in its TLS handshake, and HTTP/1.1 else.
        http: HookHttp = HookHttp::Auto, Word(&["auto", "1.1", "2"]);
        /// So many failures one after another, and the hook is not asked for `hook.breaker_ms`: each message is treated
        /// as one whose hook has failed. Then one asks whether it is back. 0: it is always asked.
        breaker_failures: u32 = 20, Number(0, 1_000_000);
        /// How long it is left alone.
        breaker_ms: u64 = 1_000, Number(1, DAY_MS);
        /// Verdicts that are kept, so that a message with the same payload to the same hook needs none of its own: how
        /// many on each thread. 0: none.
        cache_entries: usize = 0, Number(0, 10_000_000);
        /// How long each is kept.
        cache_ms: u64 = 60_000, Number(1, DAY_MS);
    }

    /// What goes on record.
    "record" => record: Record {
        /// Whether anything does.
        enabled: bool = true, Flag;
        /// A longer payload is cut in the record, and flagged.
        payload_bytes_max: usize = 1 << 20, Number(0, GIB);
        /// What happens when messages come faster than they can be stored: with `slow` the relay waits and nothing is
        /// lost, with `shed` messages are passed on unrecorded and counted on their flow.
        on_full: OnFull = OnFull::Slow, Word(&["slow", "shed"]);
        /// How much may wait to be stored.
        queue_bytes_max: usize = 64 << 20, Number(1024, 64 * GIB);
    }

    /// Where the record is kept, and for how long.
    "store" => store: Store {
        /// Empty: SQLite in the data directory.
        url: String = String::new(), Text(STORE_URL);
        /// What is on record is on disk after so long.
        flush_ms: u64 = 100, Number(1, 60_000);
        /// Whether the words of text messages are put into an index, behind the messages and while little else is to
        /// do. It costs several times what storing the message does; without it a search reads 20,000 messages and no
        /// more.
        full_text: bool = true, Flag;
        /// Flows that ended longer ago are deleted. 0: never.
        keep_days: u32 = 0, Number(0, 36_500);
        /// The flows that ended first are deleted while the database has more bytes in use. 0: no limit.
        bytes_max: u64 = 0, Number(0, i64::MAX);
        /// What happens when the store fails, for example because the disk is full: with `relay` messages are passed on
        /// unrecorded and counted on their flow, with `stop` the proxy drains and exits.
        on_error: OnError = OnError::Relay, Word(&["relay", "stop"]);
    }

    /// TLS on both legs.
    "tls" => tls: Tls {
        /// A PEM bundle that is trusted besides the platform's roots. Empty: none.
        upstream_ca: String = String::new(), Text(PEM_FILE);
        /// Host patterns whose certificate is not verified.
        insecure_hosts: Vec<String> = Vec::new(), List(HOST_PATTERN);
        /// Host patterns whose TLS is tunnelled untouched, and unread by judges. The host is the one of CONNECT; where
        /// that is an address, it may also be the one that the client's TLS asks for.
        passthrough: Vec<String> = Vec::new(), List(HOST_PATTERN);
        /// How the proxy's own ClientHello looks: `standard` is as rustls makes it.
        profile: Profile = Profile::Standard, Word(&["standard"]);
    }

    /// Who may ask at the control door, `listen.control`.
    "control" => control: Control {
        /// A file with the token that the door asks for, 32 to 1024 visible ASCII characters, which then stays the same
        /// from one start to the next. Nobody but its owner may have rights on the file. Empty: a new token with each start.
        token_file: String = String::new(), Text(TOKEN_FILE);
        /// Names, without a port, under which the door answers besides `localhost` and IP addresses. A request whose `Host`
        /// is none of them gets 403: a page of another site may have sent it.
        hosts: Vec<String> = Vec::new(), List(HOST_NAME);
    }

    /// What the proxy counts, for Prometheus: `GET /metrics` at `listen.control`.
    "metrics" => metrics: Metrics {
        /// Whether it may be read without the token.
        public: bool = false, Flag;
    }

    /// What the proxy tells of itself on standard error.
    "log" => log: Log {
        /// How much. The variable `FRAMEGATE_LOG` goes before it, and takes levels for single parts as well, such as
        /// `warn,framegate::tls=debug`.
        level: LogLevel = LogLevel::Info, Word(&["off", "error", "warn", "info", "debug", "trace"]);
        /// A line of text or a JSON object for each event.
        format: LogFormat = LogFormat::Text, Word(&["text", "json"]);
    }
}
