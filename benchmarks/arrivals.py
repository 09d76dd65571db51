"""Requests at a fixed arrival rate, whether or not the server keeps up: an open loop over keep-alive connections.

Request i is due at i/rate seconds and its latency runs from then, so that waiting for a server that is behind counts
(no coordinated omission, as in wrk2). autocannon's `-R` is not such a clock: each of its connections sends a second's
share as fast as it can at the start of that second (`rateInterval` in its httpClient.js), so that its latencies are
those of a queue of a whole second's requests; `serve.py` gives one row of it beside.

    python benchmarks/arrivals.py ASKED.json      # {url, rate, duration, poisson?, requests: [{method, path, …}]}
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import deque
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

CONNECTIONS = 64  # kept open and used in turn, as a fleet of app servers would
PATIENCE = 30.0  # seconds until an answer counts as failed


class Connections:
    """Keep-alive connections to one server. The one idle longest is next, so that every worker gets its share."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self.room = asyncio.Semaphore(CONNECTIONS)

    async def open(self) -> None:
        """Open all before the clock starts."""
        for _ in range(CONNECTIONS):
            self.idle.append(await asyncio.open_connection(self.host, self.port))

    async def ask(self, request: bytes) -> int:
        """The status of the answer; its body is read to the end."""
        async with self.room:
            reader, writer = (
                self.idle.popleft() if self.idle else await asyncio.open_connection(self.host, self.port)
            )
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
            except BaseException:
                writer.close()
                raise
            self.idle.append((reader, writer))
            return int(head.split(b" ", 2)[1])


def encoded(request: dict[str, Any], host: str) -> bytes:
    """A request as it goes over the wire."""
    body = request.get("body", "").encode()
    lines = [f"{request['method']} {request['path']} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.get("headers", {}).items()]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def drive(asked: dict[str, Any]) -> dict[str, Any]:
    """Latencies in milliseconds, and how many requests failed."""
    place = urlsplit(asked["url"])
    connections = Connections(str(place.hostname), int(place.port or 80))
    requests = [encoded(each, place.netloc) for each in asked["requests"]]
    spread = random.Random(0)
    await connections.open()
    latencies: list[float] = []
    failed = 0

    async def one(due: float, request: bytes) -> None:
        nonlocal failed
        try:
            status = await asyncio.wait_for(connections.ask(request), PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError):
            status = 0
        latencies.append(1000 * (perf_counter() - due))
        failed += status != 200

    begun, due, tasks = perf_counter(), 0.0, []
    for i in range(int(asked["rate"] * asked["duration"])):
        wait = begun + due - perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(one(begun + due, requests[i % len(requests)])))
        due += spread.expovariate(asked["rate"]) if asked.get("poisson") else 1 / asked["rate"]
    await asyncio.gather(*tasks)
    ordered = sorted(latencies)
    shares = {
        f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in (50, 90, 99)
    }
    return {"latency": shares | {"max": round(ordered[-1], 1)}, "failed": failed, "total": len(ordered)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(json.loads(Path(sys.argv[1]).read_text())))))
