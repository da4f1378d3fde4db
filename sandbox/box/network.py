"""Tells a test that wanted the network from one that failed: boxes have none.

A refused connection counts only when it was meant for somewhere else than this machine or for a
service such as a database: a server that the code itself failed to start is the code's fault.
"""

from __future__ import annotations

import re

from sandbox.verdict.report import TestResult

_UNREACHABLE = re.compile(
    r"gaierror|name or service not known|temporary failure in name resolution"
    r"|no address associated with hostname|nodename nor servname|getaddrinfo failed"
    r"|could not resolve host|network is unreachable|no route to host"
    r"|\bENETUNREACH\b|\bEAI_AGAIN\b|\bENOTFOUND\b|\[errno (?:-[235]|101|113)\]"
    r"|dial tcp: lookup|failed to lookup address information|unable to access 'https?:"
    r"|failed to establish a new connection: \[errno (?!111)",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"connection refused|connectionrefused|\[errno 111\]", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"(?:host=|https?://|to address |server at |connect(?:ing)? to )['\"\[(]*"
    r"(?!localhost|127\.|0\.0\.0\.0|::1|\[::1)[\w-]+\.[\w.-]+",
    re.IGNORECASE,
)
_SERVICES = re.compile(
    r"psycopg|pymysql|mysql|asyncpg|redis|pymongo|serverselectiontimeout|amqp|pika|kafka"
    r"|elasticsearch|opensearch|memcache|cassandra|nobrokersavailable|zookeeper",
    re.IGNORECASE,
)
_RAISED = re.compile(r"^(?:E\s+.*|[\w.]*(?:Error|Exception|error|Timeout)\b: .*)$", re.MULTILINE)
_ASSERTED = frozenset({"AssertionError", "SyntaxError", "Failed"})


def needs_network(result: TestResult) -> bool:
    """True if a red test failed for lack of a network or of a service behind one."""
    if not result.outcome.is_red or result.exception in _ASSERTED:
        return False
    raised = "\n".join(_RAISED.findall(result.detail))
    return wants_network(f"{result.exception}: {result.message}\n{raised}")


def wants_network(text: str) -> bool:
    """True if a program's last output is about a missing network."""
    if _UNREACHABLE.search(text):
        return True
    return bool(_REFUSED.search(text) and (_ELSEWHERE.search(text) or _SERVICES.search(text)))
