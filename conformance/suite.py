"""Runs the Autobahn test suite on CPython 2.7, the only one it runs on.

    suite.py cases PATTERN...        the ids of the cases that match
    suite.py certificates DIRECTORY  an authority, and a certificate for localhost from it
    suite.py client SPEC             the fuzzing client (`wstest -m fuzzingclient`)
    suite.py server SPEC             the fuzzing server (`wstest -m fuzzingserver`)

It calls what `wstest` calls, with three differences: the server listens on a free port of the loopback address, each
result is told as a JSON line as soon as it is known, and instead of HTML there is one JSON line for each case, with its
wire log, in the file that the specification names as `details`.
"""

import io
import json
import os
import sys

from autobahntestsuite import choosereactor  # chooses at import, so it comes first
from twisted.internet import reactor, ssl
from OpenSSL import crypto

from autobahntestsuite import fuzzing
from autobahntestsuite.caseset import CaseSet


def tell(**event):
    sys.stdout.write(json.dumps(event, sort_keys=True) + "\n")
    sys.stdout.flush()


def cases(*patterns):
    known = CaseSet(fuzzing.CaseSetname, fuzzing.CaseBasename, fuzzing.Cases, fuzzing.CaseCategories, fuzzing.CaseSubCategories)
    tell(cases=known.parseSpecCases({"cases": list(patterns)}))


def client(spec):
    fuzzing.startClient(prepared(spec))
    reactor.run()


def server(spec):
    fuzzing.listenWS = listen
    fuzzing.startServer(prepared(spec), 0)
    reactor.run()


def prepared(path):
    """The specification in that file, once the factories tell results instead of keeping them for a report."""
    with open(path) as file:
        spec = json.load(file)
    # The suite compares some of these with byte strings and hands others to C.
    for key in ("url", "key", "cert"):
        if key in spec:
            spec[key] = spec[key].encode("ascii")
    if spec["messages"]:
        # Groups 12 and 13 say 1000 of them in each case.
        for case in fuzzing.Cases:
            if hasattr(case, "COUNT"):
                case.COUNT = spec["messages"]
    details = io.open(spec["details"], "w", encoding="utf-8")

    def log_case(factory, result):
        details.write(json.dumps(result, sort_keys=True, encoding="latin-1").decode("ascii") + u"\n")
        details.flush()
        tell(event="case", case=result["id"], behavior=result["behavior"], close=result["behaviorClose"], ms=result["duration"])

    fuzzing.FuzzingFactory.logCase = log_case
    fuzzing.FuzzingFactory.createReports = lambda factory: None
    return spec


def listen(factory, context):
    if context is None:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    else:
        port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
    # The port of a Host header must be the one it knows.
    factory.port = factory.externalPort = port.getHost().port
    tell(event="listening", port=factory.port)


def certificates(directory):
    authority_key, authority = certificate("conformance run authority", None, None)
    key, server = certificate("localhost", authority_key, authority)
    for name, text in [
        ("authority.pem", crypto.dump_certificate(crypto.FILETYPE_PEM, authority)),
        ("server.pem", crypto.dump_certificate(crypto.FILETYPE_PEM, server)),
        ("server.key", crypto.dump_privatekey(crypto.FILETYPE_PEM, key)),
    ]:
        file = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(file, text)
        os.close(file)


def certificate(name, issuer_key, issuer):
    """A key and its certificate: an authority's if there is no issuer."""
    key = crypto.PKey()
    key.generate_key(crypto.TYPE_RSA, 2048)
    made = crypto.X509()
    made.set_version(2)
    made.set_serial_number(int(os.urandom(8).encode("hex"), 16))
    made.get_subject().CN = name
    made.set_issuer((issuer or made).get_subject())
    made.gmtime_adj_notBefore(-3600)
    made.gmtime_adj_notAfter(30 * 86400)
    made.set_pubkey(key)
    if issuer is None:
        extensions = [("basicConstraints", True, "CA:TRUE"), ("keyUsage", True, "keyCertSign")]
    else:
        extensions = [("subjectAltName", False, "DNS:localhost,IP:127.0.0.1"), ("extendedKeyUsage", False, "serverAuth")]
    made.add_extensions([crypto.X509Extension(*extension) for extension in extensions])
    made.sign(issuer_key or key, "sha256")
    return key, made


if __name__ == "__main__":
    {"cases": cases, "certificates": certificates, "client": client, "server": server}[sys.argv[1]](*sys.argv[2:])
