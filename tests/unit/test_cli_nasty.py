"""Whatever stands at --url may answer anything: a command says so in one line with the status of "could not look"."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner

from pagereel.cli import main

ANSWERS = ["{}", "[]", "null", "5", '"x"', '{"items": 5}', '{"items": [{}], "next": null}', '{"errors": 5}', "[" * 3000]
ANSWERS += ['{"errors": [5, {}]}', "<html>", "", "\x00", '{"id": "rec_1"}', '{"items": [], "next": 5}']
COMMANDS = [
    "list",
    "show rec_1",
    "stop rec_1",
    "explain rec_1",
    "files rec_1",
    "messages list",
    "notices list",
    "usage",
]


class _Says(BaseHTTPRequestHandler):
    said = (200, b"")

    def do_GET(self) -> None:
        status, body = self.said
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_answer_is_no_mistake_of_the_program(command: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Says)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        for answer in ANSWERS:
            for status in (200, 404, 500):
                _Says.said = (status, answer.encode())
                words = [*command.split(), "--url", f"http://127.0.0.1:{server.server_port}"]
                done = CliRunner().invoke(main, words, env={"PAGEREEL_TOKEN": "prl_x_y"})
                about = (status, answer[:40], done.stderr)
                assert "Traceback" not in done.stderr, about
                assert done.exit_code in (0, 2), about
                assert done.exit_code == 0 or len(done.stderr.splitlines()) >= 1, about
                assert status == 200 or done.exit_code == 2, about
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
