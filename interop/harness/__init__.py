"""What the tests stand on: processes, the proxy, raw sockets, conversations. No test is in here."""
