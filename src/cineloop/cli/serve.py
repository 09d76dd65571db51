"""`cineloop serve`."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec

import click

from cineloop.errors import MissingExtra


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; only this machine unless told."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes; they share the weights.",
)
@click.option(
    "--open-reads", is_flag=True, help="Reads need no token even where others can reach the server."
)
@click.option(
    "--explore/--no-explore", default=True, show_default=True, help="One place a page drawn at random."
)
def serve(host: str, port: int, workers: int, open_reads: bool, explore: bool) -> None:
    """Serve homes, search and similar titles, and take events, for a streaming app.

    Whatever writes needs the token: CINELOOP_TOKEN, or the one in the workspace's file `token`.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise MissingExtra("fastapi and uvicorn", extra="web", why="the server")
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from cineloop.cli.show import opened
    from cineloop.web.settings import LOOPBACK, workspace_token
    from cineloop.web.sockets import address

    studio = opened()
    token, made = workspace_token(studio.folder)
    named = click.get_current_context().find_root().obj
    told = {
        "CINELOOP_SERVE_WORKSPACE": str(studio.folder),
        "CINELOOP_SERVE_TOKEN": token,
        "CINELOOP_SERVE_GUARDED": "1" if host not in LOOPBACK and not open_reads else "",
        "CINELOOP_SERVE_EXPLORE": "1" if explore else "",
    }
    told |= {
        f"CINELOOP_SERVE_{name.upper()}": named[name] or "" for name in ("registry", "records", "events")
    }
    if workers > 1:  # several threads a worker would only take the cores from each other
        told |= {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(told)  # how the workers, which are processes of their own, are told
    studio.close()
    if made:
        click.echo(f"a token was made, in {studio.folder / 'token'}", err=True)
    with (
        address(host, port) as listening,
        tempfile.TemporaryDirectory(prefix="cineloop-metrics-") as figures,
    ):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        port = listening.getsockname()[1]
        click.echo(
            f"http://{host}:{port} serves {studio.folder} with {workers} worker{'s' if workers > 1 else ''}",
            err=True,
        )
        config = uvicorn.Config(
            "cineloop.web.worker:app",
            factory=True,
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
        )
        if workers > 1:
            Multiprocess(config, sockets=[listening]).run()
        else:
            uvicorn.Server(config).run(sockets=[listening])
