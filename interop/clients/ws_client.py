"""The Node.js package `ws`, with the agents that people use behind a proxy."""

from functools import partial

from .node_job import converse as job

CAN_PING = True
CAN_FRAGMENT = True
FRAGMENTS_EXTRA = 0
WAYS = ["direct", "direct-tls", "absolute", "connect", "intercepted", "reverse", "reverse-tls"]
converse = partial(job, "clients/ws_client.cjs")
