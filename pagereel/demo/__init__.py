"""The sandbox and the demo, which run Pagereel on one machine."""

from pagereel.demo.pages import wrong_host, wrong_page, wrong_receiver
from pagereel.demo.running import DemoError, while_all_run
from pagereel.demo.sandbox import PREFIX, STORAGE, Sandbox, demo_is_possible, open_sandbox
from pagereel.demo.show import run_demo
from pagereel.demo.token_file import token_file

__all__ = [
    "PREFIX",
    "STORAGE",
    "DemoError",
    "Sandbox",
    "demo_is_possible",
    "open_sandbox",
    "run_demo",
    "token_file",
    "while_all_run",
    "wrong_host",
    "wrong_page",
    "wrong_receiver",
]
