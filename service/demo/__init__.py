"""What tries Pagereel out on one machine: a sandbox to use, and a show of what it does."""

from service.demo.sandbox import DemoError, Sandbox, demo_is_possible, open_sandbox
from service.demo.show import run_demo

__all__ = ["DemoError", "Sandbox", "demo_is_possible", "open_sandbox", "run_demo"]
