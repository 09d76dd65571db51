"""A process that appends events and says each key once it is acknowledged: what the kill tests kill.

python event_writer.py FILE URL-or-none FIRST
"""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from cineloop.store.events import Event, EventLog, checked
from cineloop.store.group import GroupCommit

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def main() -> None:
    file, url, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    log = EventLog(file, None if url == "none" else url)
    group = GroupCommit(log.append)
    said = threading.Lock()

    def writer(number: int) -> None:
        for n in range(100_000):
            key = f"{first}-{number}-{n}"
            payload = {"title": f"t-{key}", "kind": "watch", "completion": 1.0}
            group.commit(checked([Event(key, "plays", f"p{number}", payload, NOW)]))
            with said:
                sys.stdout.write(key + "\n")
                sys.stdout.flush()

    print("begun", flush=True)
    threads = [threading.Thread(target=writer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
