"""The WebSocket of undici (the one inside Node.js), through its ProxyAgent."""

from functools import partial

from .node_job import converse as job

CAN_PING = False
CAN_FRAGMENT = False
WAYS = ["direct", "direct-tls", "connect", "intercepted", "reverse", "reverse-tls"]
converse = partial(job, "clients/undici_client.cjs")
