"""The test's own certificate authority: what the servers behind the proxy show, and what the proxy is told to trust."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files of an authority and of one server certificate for localhost and the loopback addresses."""

    authority: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context


def issue(directory: Path) -> Certificates:
    """Makes a new authority and a certificate."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1", "::1", common_name="framegate outside test")
    files = Certificates(directory / "authority.pem", directory / "server.pem", directory / "server.key")
    authority.cert_pem.write_to_path(str(files.authority))
    server.private_key_pem.write_to_path(str(files.key))
    for number, part in enumerate(server.cert_chain_pems):
        part.write_to_path(str(files.chain), append=number > 0)
    return files


def trusting(ca: Path | None) -> ssl.SSLContext | None:
    """A client context that trusts this authority and no other."""
    return ssl.create_default_context(cafile=str(ca)) if ca else None
