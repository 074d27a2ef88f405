"""What tries Pagereel out on one machine: a sandbox to use, and a show of what it does."""

from service.demo.pages import wrong_host, wrong_page, wrong_receiver
from service.demo.running import DemoError, while_all_run
from service.demo.sandbox import PREFIX, STORAGE, Sandbox, demo_is_possible, open_sandbox
from service.demo.show import run_demo
from service.demo.token_file import token_file

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
