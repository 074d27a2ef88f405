"""Client of Agora Cloud Recording's REST API in web mode: one client per app, a request budget, and one interface
(`Send`) for the simulation. It uses no database and decides nothing about a recording."""

from service.agora.answers import Acquired, NamedFile, Push, Started, Stopped, TaskState, Updated
from service.agora.bodies import StartOrder, Storage, Task
from service.agora.budget import LocalBudget, Take
from service.agora.client import AgoraClient
from service.agora.pace import Priority, Rate
from service.agora.refusals import TaskMissing
from service.http.sender import Answer, NoAnswerError, NotSentError, Request, Send, open_sender

__all__ = [
    "Acquired",
    "AgoraClient",
    "Answer",
    "LocalBudget",
    "NamedFile",
    "NoAnswerError",
    "NotSentError",
    "Priority",
    "Push",
    "Rate",
    "Request",
    "Send",
    "StartOrder",
    "Started",
    "Stopped",
    "Storage",
    "Take",
    "Task",
    "TaskMissing",
    "TaskState",
    "Updated",
    "open_sender",
]
