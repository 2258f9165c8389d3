"""A mail server for tests: takes mail over SMTP (RFC 5321), with STARTTLS and AUTH PLAIN where it is told so."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """What it does, and what it has taken."""

    tls: ssl.SSLContext | None = None
    """Offers STARTTLS with this certificate."""
    password: str | None = None
    """Of the user `sophia`; asks for it."""
    answers: list[str] = field(default_factory=list)
    """To the next recipients, before `250 OK`: `451 later`, `550 nobody` …"""
    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Whether each login came through TLS."""


@contextmanager
def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    password: str | None = None,
    answers: tuple[str, ...] = (),
    host: str = "127.0.0.1",
) -> Iterator[MailServer]:
    """One on a free port of this machine, until the block ends."""
    state = MailServer(tls, password, list(answers))

    class Session(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            self.is_encrypted = self.logged_in = False
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip():
                verb, _, rest = line.partition(" ")
                if verb.upper() == "QUIT":
                    self.say("221 bye")
                    return
                self.answer(verb.upper(), rest)

        def say(self, *lines: str) -> None:
            for number, line in enumerate(lines, start=1):
                code, _, words = line.partition(" ")
                self.wfile.write(f"{code}{' ' if number == len(lines) else '-'}{words}\r\n".encode())
            self.wfile.flush()

        def answer(self, verb: str, rest: str) -> None:
            if verb == "EHLO":
                starttls = ["250 STARTTLS"] if state.tls is not None and not self.is_encrypted else []
                auth = ["250 AUTH PLAIN"] if state.password is not None else []
                self.say("250 mail.example", *starttls, *auth)
            elif verb == "STARTTLS":
                assert state.tls is not None
                self.say("220 go on")
                self.connection = state.tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
                self.is_encrypted = True
            elif verb == "AUTH":
                said = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                state.encrypted.append(self.is_encrypted)
                self.logged_in = said == ["", "sophia", state.password]
                self.say("235 welcome" if self.logged_in else "535 who are you?")
            elif verb == "MAIL" and state.password is not None and not self.logged_in:
                self.say("530 log in first")
            elif verb == "RCPT":
                answer = state.answers.pop(0) if state.answers else "250 OK"
                if answer.startswith("250"):
                    state.recipients.append(rest.partition("<")[2].rstrip(">"))
                self.say(answer)
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b"."))
                state.taken.append(message_from_bytes(b"".join(lines), policy=policy.default))
                self.say("250 OK")
            else:
                self.say("250 OK")

        def finish(self) -> None:
            super().finish()
            self.connection.close()

    with socketserver.ThreadingTCPServer((host, 0), Session) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="mail")
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join(10)
