"""`cineloop completion bash|zsh|fish`."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(cineloop completion bash)"        in ~/.bashrc
    zsh:  eval "$(cineloop completion zsh)"         in ~/.zshrc
    fish: cineloop completion fish > ~/.config/fish/completions/cineloop.fish
    """
    from click.shell_completion import get_completion_class

    from cineloop.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(cli, {}, "cineloop", "_CINELOOP_COMPLETE").source())
