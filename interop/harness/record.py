"""Comparing what is on record with what was said."""

import base64
import hashlib


def payload(message: dict) -> bytes:
    """The payload of a message in the JSON of the command line."""
    if message.get("raw_bytes") is not None:
        assert message.get("body") is None, f"both body and raw_bytes: {brief_message(message)}"
        return base64.b64decode(message["raw_bytes"], validate=True)
    return (message.get("body") or "").encode()


def brief(data: bytes | None) -> object:
    """A payload, or what a person can compare of a long one."""
    if data is None or len(data) <= 80:
        return data
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"


def brief_message(message: dict) -> dict:
    return {key: brief(value.encode()) if isinstance(value, str) else value for key, value in message.items()}


def rows(messages: list[dict]) -> list[tuple[str, str, object]]:
    """Direction, kind and payload of the messages after the upgrade."""
    return [(message["direction"], message["kind"], brief(payload(message))) for message in messages[2:]]


def check_upgrade(messages: list[dict]) -> None:
    """Request and response of the upgrade come first, with their heads as payload."""
    request, response = messages[0], messages[1]
    assert (request["kind"], request["direction"], request["sequence"]) == ("upgrade_request", "send", 0)
    assert (response["kind"], response["direction"], response["sequence"]) == ("upgrade_response", "receive", 1)
    assert b"upgrade: websocket" in payload(request).lower(), payload(request)
    assert payload(response).startswith(b"HTTP/1.1 101 "), payload(response)


def check(flow: dict, messages: list[dict], expected: list[tuple[str, str, bytes | None]]) -> None:
    """The record is complete, in order and equal to what was said; a payload of None is the peer's own choice."""
    assert [message["sequence"] for message in messages] == list(range(len(messages)))
    assert {message["flow_id"] for message in messages} == {flow["flow_id"]}
    check_upgrade(messages)
    seen = rows(messages)
    wanted = [(direction, kind, brief(data)) for direction, kind, data in expected]
    open_ended = {index for index, row in enumerate(expected) if row[2] is None}
    seen = [(d, k, None) if index in open_ended else (d, k, data) for index, (d, k, data) in enumerate(seen)]
    for number, (row, wanted_row) in enumerate(zip(seen, wanted, strict=False)):
        assert row == wanted_row, f"message {number} after the upgrade"
    assert seen == wanted
    for message, (direction, kind, data) in zip(messages[2:], expected, strict=True):
        check_message(message, direction, kind, data)
    sent = sum(row[0] == "send" for row in expected)
    assert (flow["messages_sent"], flow["messages_received"]) == (sent, len(expected) - sent)
    for direction, counter in (("send", "bytes_sent"), ("receive", "bytes_received")):
        assert flow[counter] == sum(m["wire_bytes"] for m in messages[2:] if m["direction"] == direction), counter
    timestamps = [message["timestamp"] for message in messages]
    assert timestamps == sorted(timestamps)


def check_message(message: dict, direction: str, kind: str, data: bytes | None) -> None:
    """The facts beside the payload."""
    about = brief_message(message)
    opcodes = {"text": "1", "binary": "2", "close": "8", "ping": "9", "pong": "10"}
    assert message["metadata"]["opcode"] == opcodes[kind], about
    assert message["metadata"]["fin"] == "true", about
    assert message["metadata"]["masked"] == ("true" if direction == "send" else "false"), about
    assert message["fate"] == "sent", about
    assert not message["truncated"], about
    assert message["frames"] >= 1, about
    assert "violation" not in message["metadata"], about
    if kind == "text":
        assert message.get("raw_bytes") is None, about
    if data is not None:
        assert message["size"] == len(data), about


def check_complete(flow: dict, by: str, code: int | None, reason: str) -> None:
    """The flow ended by a Close from that peer."""
    assert flow["state"] == "complete", flow
    assert flow["close"] == {"by": by, "code": code, "reason": reason}, flow
    assert not flow.get("error"), flow
    assert flow["protocol"] == "WebSocket" and flow["flow_type"].lower() == "bidirectional", flow
    assert flow["started_at"].endswith("Z") and flow["started_at"] <= flow["ended_at"], flow
