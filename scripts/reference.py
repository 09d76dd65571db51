"""The reference of the command line, written from the code: `make docs` puts it into docs/cli.md."""

from __future__ import annotations

import click

from cineloop.cli import COMMANDS, cli


def pages(command: click.Command, words: list[str]) -> list[str]:
    """A command's help as Markdown, then those below it."""
    width = {"max_content_width": 100, "terminal_width": 100, "help_option_names": ["-h", "--help"]}
    context = click.Context(command, info_name=" ".join(words), **width)
    made = [f"## {' '.join(words)}\n\n```text\n{command.get_help(context)}\n```\n"]
    for name, child in sorted(getattr(command, "commands", {}).items()):
        made += pages(child, [*words, name])
    return made


def main() -> None:
    """Print the whole reference."""
    print("# The command line\n\nWritten by `make docs` from the code; `--help` says the same.\n")
    print(pages(cli, ["cineloop"])[0])
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        print("\n".join(pages(command, ["cineloop", name])))


if __name__ == "__main__":
    main()
