"""What becomes of a recording, decided purely.

`apply` turns an observation into a change; `next_step` reads off the row what must happen next.
No I/O, no clock, no randomness: `now` and fresh ids come in. See docs/architecture.md for the picture.
"""

from service.lifecycle.apply import apply
from service.lifecycle.deadlines import hours_end_at, hours_wanted, ran_until, task_limit_at
from service.lifecycle.schedule import next_step, overtaken_at

__all__ = ["apply", "hours_end_at", "hours_wanted", "next_step", "overtaken_at", "ran_until", "task_limit_at"]
