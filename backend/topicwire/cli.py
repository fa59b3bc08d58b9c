"""The console script: `topicwire COMMAND`.

Trouble that is expected is one line on standard error: exit 1 for failure, 2 for bad usage. Each command
imports what it needs when it runs: `--help` is quick, and a web process loads nothing of the worker's.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.main import get_command

from topicwire import settings
from topicwire.errors import TopicwireError
from topicwire.settings import Settings

if TYPE_CHECKING:
    from topicwire.domain.dead_letters import DeadLetter
    from topicwire.wiring import ProjectLine, Provisioned

# typer 0.29 loads pydantic (8 MB, 0.1 s) to find out that "no --help" is a boolean, unless it is told so.
NO_HELP = {"help": False}
WITHOUT_PYDANTIC = ("up", "web")

app = typer.Typer(
    help="Topicwire: every visitor of your website is a topic of your Telegram group.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "default_map": {**NO_HELP, **dict.fromkeys(WITHOUT_PYDANTIC, NO_HELP)},
    },
)
projects = typer.Typer(help="Make and list projects.")
app.add_typer(projects, name="projects")
dead_letters = typer.Typer(help="List messages that could not be delivered, and send them again.")
app.add_typer(dead_letters, name="dead-letters")

# What `up` says to its children: wait for its word on standard input, and end when that closes.
Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Project = Annotated[str | None, typer.Option("--project", help="Only of this project: its id or key.")]

PROJECT_COLUMNS = ("NAME", "OWNER", "KEY", "GROUP")
LETTER_COLUMNS = ("ID", "PROJECT", "TOPIC", "FAILED", "TRIES", "WHY", "TEXT")
TEXT_SHOWN, WHY_SHOWN = 40, 60  # characters


@app.command()
def up(
    no_shared_bot: Annotated[
        bool, typer.Option("--no-shared-bot", help="Each project brings its own bot.")
    ] = False,
) -> None:
    """Run everything on this machine; without a bot's token, with a Telegram sandbox."""
    from topicwire import up as everything

    everything.run(_settings(), shared_bot=not no_shared_bot)


@app.command()
def web(supervised: Supervised = False) -> None:
    """Run one web process."""
    known = _complete()
    with _importing():
        from topicwire import app as process
    _await_servers(known, supervised)
    _check_port(known.host, known.port)
    process.serve(known)


@app.command()
def worker(supervised: Supervised = False) -> None:
    """Run one relay worker."""
    known = _complete()
    with _importing():
        import topicwire.telegram.client  # noqa: F401 - takes seconds, better before the word to go
        from topicwire import worker as process
    _await_servers(known, supervised)
    process.run(known)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from topicwire import db, surroundings

    known = _settings()
    if known.database_url is not None:  # nothing else is needed for this one
        db.migrate(known.database_url)
        return
    with surroundings.at_hand(known) as found:
        db.migrate(found.database)


@app.command()
def sandbox(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Where to listen; PORT + 1.")] = None,
    supervised: Supervised = False,
) -> None:
    """Run the Telegram sandbox alone: a Bot API server with an operators' console."""
    from topicwire import children, surroundings
    from topicwire.sandbox import server

    known = _settings()
    config = server.SandboxConfig(
        port=port or known.port + 1,
        token=surroundings.sandbox_token(known),
        secret_path=surroundings.sandbox_path(known),
        state_file=known.data_dir / "sandbox.json",
        group_rate=str(known.group_rate or "off"),
        bot_rate=str(known.bot_rate or "off"),
    )
    if supervised:
        children.await_go()
    else:
        _check_port(config.host, config.port)
        address = f"http://{config.host}:{config.port}"
        typer.echo(f"Bot API   TELEGRAM_API_URL={address} TELEGRAM_BOT_TOKEN={config.token}")
        typer.echo(f"Console   {address}/{config.secret_path}/")
    server.run(config)


@app.command()
def doctor(
    conformance: Annotated[
        bool, typer.Option("--conformance", help="Try what is assumed about Telegram, in a scratch group.")
    ] = False,
    chat: Annotated[int | None, typer.Option(help="With --conformance: the id of the scratch group.")] = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="With --conformance: also what takes a minute to show.")
    ] = False,
) -> None:
    """Check that everything is in order; say what is wrong and how to mend it."""
    if conformance != (chat is not None) or (patient and not conformance):
        raise typer.BadParameter("--conformance and --chat go together, --patient only with them")
    raise typer.Exit(_examine() if chat is None else _replay(chat, patient))


@projects.command("create")
def create_project(
    owner: Annotated[str, typer.Option(help="The owner's mail address.", show_default=False)],
    name: Annotated[str, typer.Option(help="What the project is called.", show_default=False)],
    chat: Annotated[int | None, typer.Option(help="The id of the Telegram group, if it is known.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="A website that may embed it; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Make a project, and tell how to embed it and how to link its Telegram group."""
    from topicwire import wiring

    if chat is not None and chat >= 0:
        raise typer.BadParameter("--chat: the id of a group begins with a minus sign")
    with _database_at_hand() as known:
        made = asyncio.run(
            wiring.provision(known, owner=owner, name=name, chat_id=chat, origins=tuple(origin or ()))
        )
    if as_json:
        _print_json(
            {
                "id": made.id,
                "key": made.key,
                "identity_secret": made.identity_secret,
                "link_code": made.link_code,
            }
        )
    else:
        _tell_next_steps(name, known.public_url, made)


@projects.command("list")
def list_projects(as_json: Json = False) -> None:
    """List all projects."""
    from topicwire import wiring

    with _database_at_hand() as known:
        found = asyncio.run(wiring.list_projects(known))
    if as_json:
        _print_json({"items": found})
    elif found:
        _print_table([PROJECT_COLUMNS, *map(_project_cells, found)])
    else:
        typer.echo("There is no project yet; `topicwire projects create` makes one.")


@dead_letters.command("list")
def list_dead_letters(project: Project = None, as_json: Json = False) -> None:
    """List messages that Telegram refused for good, oldest first, and why it did."""
    from topicwire import wiring

    with _database_at_hand() as known:
        found = asyncio.run(wiring.list_dead_letters(known, project=project))
    if as_json:
        _print_json({"items": found})
    elif found:
        _print_table([LETTER_COLUMNS, *map(_letter_cells, found)])
    else:
        typer.echo("There is no dead letter.")


@dead_letters.command("requeue")
def requeue_dead_letters(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Send dead letters again: these, or all of them."""
    if bool(ids) == every:
        raise typer.BadParameter("say which: either ID… or --all")
    from topicwire import wiring

    with _database_at_hand() as known:
        count = asyncio.run(wiring.requeue(known, ids or (), project=project))
    if as_json:
        _print_json({"requeued": count})
    else:
        typer.echo(f"{count} will be sent again." if count else "There is no dead letter.")


def main() -> None:
    """Run the command that the command line names."""
    try:
        sys.exit(get_command(app)(prog_name="topicwire", standalone_mode=False))
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "topicwire"
        _fail(f"{error.format_message().rstrip('.')}. See `{command} --help`.", error.exit_code)
    except TopicwireError as error:
        _fail(str(error), 1)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename} cannot be used: {error.strerror}", 1)  # rights, a full disk, and the like


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"topicwire: {' '.join(message.split())}", err=True)
    sys.exit(status)


@contextmanager
def _importing() -> Iterator[None]:
    """Imports make many objects and next to no garbage: aiogram takes a quarter less without looking for it.

    What they made stays, so it is not looked through later either.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _settings() -> Settings:
    return settings.read(os.environ)


def _complete() -> Settings:
    from topicwire import surroundings

    return surroundings.attached(_settings())


def _await_servers(known: Settings, supervised: bool) -> None:
    from topicwire import children, reach

    if supervised:
        children.await_go()
    asyncio.run(reach.servers(known.database, known.redis))


def _examine() -> int:
    from topicwire import surroundings
    from topicwire.doctor import command

    known = _settings()
    with surroundings.at_hand(known) as found:
        is_sandbox = known.telegram_bot_token is None
        return 0 if asyncio.run(command.examination(found, sandbox=is_sandbox)) else 1


def _replay(chat: int, patient: bool) -> int:
    from topicwire.doctor import conformance

    return 0 if asyncio.run(conformance.conformance(_settings(), chat, patient=patient)) else 1


@contextmanager
def _database_at_hand() -> Iterator[Settings]:
    from topicwire import reach, surroundings

    with surroundings.at_hand(_settings()) as known:
        asyncio.run(reach.database(known.database))
        yield known


def _check_port(host: str, port: int) -> None:
    from topicwire import ports

    ports.check(host, port)


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value))


def _tell_next_steps(name: str, public_url: str, made: "Provisioned") -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"{name} is ready.\n", style="bold green")
    console.print("1. Put this into your pages, before </body>:\n")
    console.print(
        f'   <script async src="{public_url}/widget.js" data-key="{made.key}"></script>\n', style="cyan"
    )
    if made.link_code:
        console.print(
            "2. Make the bot an administrator of your Telegram group, where topics are on, and send"
        )
        console.print("   there, within the hour:\n")
        console.print(f"   /connect {made.link_code}\n", style="cyan")
    console.print(f"To tell it who your visitors are, sign their identity with: {made.identity_secret}")


def _project_cells(line: "ProjectLine") -> tuple[str, ...]:
    group = line.chat_title or (str(line.chat_id) if line.chat_id else "not linked yet")
    return line.name, line.owner, line.key, group


def _letter_cells(letter: "DeadLetter") -> tuple[str, ...]:
    failed_at = "" if letter.failed_at is None else f"{letter.failed_at.astimezone():%Y-%m-%d %H:%M}"
    said = letter.text or "" if letter.kind == "message" else f"({letter.kind}) {letter.text or ''}"
    return (
        letter.id,
        letter.project_name or "",
        _cell(letter.topic or "", TEXT_SHOWN),
        failed_at,
        str(letter.attempts),
        _cell(letter.last_error or letter.reason or "", WHY_SHOWN),
        _cell(said, TEXT_SHOWN),
    )


def _cell(words: str, limit: int) -> str:
    """Strangers' words on one line, with nothing that moves a terminal's cursor."""
    line = " ".join("".join(c if c.isprintable() else " " for c in words[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
