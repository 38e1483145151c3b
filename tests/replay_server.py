"""A server on this machine that answers as sources do, faults included.

    with ReplayServer() as server:
        server.on("api.stlouisfed.org", "/fred/series/observations", Answer(body))
        config.mirror = server.address

It takes https://HOST/PATH as /HOST/PATH, which is how a client asks a mirror.
"""

import http.server
import threading
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Answer(NamedTuple):
    """One answer, whole or at fault."""

    body: bytes = b"{}"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None  # Closes the connection after so many bytes of the body.
    drop: bool = False  # Closes it without a word.
    hold: threading.Event | None = None  # Waits for it; the server's end sets it.


class Asked(NamedTuple):
    """One request, as it arrived."""

    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # Names in small letters.


class Rule(NamedTuple):
    """What is answered to whom, one after the other; the last one for ever."""

    host: str
    path: str
    query: dict[str, str]  # The request has at least these.
    answers: list[Answer]

    def fits(self, asked: Asked) -> bool:
        here = (self.host, self.path) == (asked.host, asked.path)
        return here and self.query.items() <= asked.query.items()


class ReplayServer:
    """Serves on 127.0.0.1 within a with-block; `requests` says what was asked."""

    def __init__(self):
        self.requests: list[Asked] = []
        self.rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure) -> None:
        for rule in self.rules:
            for answer in rule.answers:
                if answer.hold:
                    answer.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def on(
        self, host: str, path: str, *answers: Answer | bytes, query: dict | None = None
    ) -> None:
        """Says what is answered; of several rules that fit, the latest counts."""
        whole = [Answer(one) if isinstance(one, bytes) else one for one in answers]
        self.rules.insert(0, Rule(host, path, dict(query or {}), whole))

    def answer(self, asked: Asked) -> Answer:
        """Notes a request and takes its answer; 404 to what no rule fits."""
        with self._lock:
            self.requests.append(asked)
            for rule in self.rules:
                if rule.fits(asked):
                    left = rule.answers
                    return left.pop(0) if len(left) > 1 else left[0]
        return Answer(b"no rule of the test fits", 404)

    def paths(self) -> Sequence[str]:
        """Lists the paths that were asked for."""
        return [asked.path for asked in self.requests]


def _handler(replay: ReplayServer) -> type:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            split = urlsplit(self.path)
            host, _, path = split.path.removeprefix("/").partition("/")
            query = dict(parse_qsl(split.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = replay.answer(Asked(host, f"/{path}", query, headers))
            if answer.hold:
                answer.hold.wait()
            self.close_connection = True
            if not answer.drop:
                self._send(answer)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])

        def handle(self):
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True  # The client was killed, or gave up.

        def log_message(self, *message):
            pass

    return Handler
