"""A database that won't write: the client is told to send the same again, not that its events were bad."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient
from serving import AUTH, TOKEN, workspace

from cineloop.web.app import create_app
from cineloop.web.settings import Settings

EVENT = {
    "table": "plays",
    "profile": "me",
    "payload": {"title": "film-1", "kind": "watch", "completion": 1.0},
}


def test_events_that_can_t_be_kept_are_asked_for_again(tmp_path: Path, postgres: str) -> None:
    import psycopg

    workspace(tmp_path / "studio").close()
    settings = Settings(tmp_path / "studio", TOKEN, events=postgres, look_every=60)

    def read_only(word: str) -> None:
        with psycopg.connect(postgres, autocommit=True) as db:
            db.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
            db.execute(f'ALTER DATABASE "{db.info.dbname}" SET default_transaction_read_only = {word}')

    with TestClient(create_app(settings)) as web:

        def tell(key: str) -> tuple[int, dict[str, object]]:
            said = web.post("/v1/events", json={"events": [{**EVENT, "key": key}]}, headers=AUTH)
            return said.status_code, said.json()

        assert tell("a") == (200, {"accepted": 1, "repeated": 0})
        read_only("on")
        web.app.state.live.studio.events.database.close()  # type: ignore[attr-defined]
        status, said = tell("b")
        assert status == 503 and "read-only transaction" in str(said["detail"])
        assert "postgres" not in str(said) and "\n" not in str(
            said["detail"]
        )  # and not where the database lies
        read_only("off")
        web.app.state.live.studio.events.database.close()  # type: ignore[attr-defined]
        assert tell("b") == (200, {"accepted": 1, "repeated": 0}) and tell("a")[1]["repeated"] == 1
