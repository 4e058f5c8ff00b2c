"""`planner rules`: the rules, their pages, and the facts they rest on."""

from __future__ import annotations

import click

from planner.errors import InputError


def _rule_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from rules import RULES

    return [rule.id for rule in RULES if rule.id.startswith(incomplete.upper())]


@click.group("rules", invoke_without_command=True, short_help="The catalogue of rules.")
@click.pass_context
def rules_command(ctx: click.Context) -> None:
    """List the rules, explain one, or list the facts they rest on.

    \b
    Examples:
      planner rules
      planner rules explain ABI001
      planner rules facts
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(rules_list)


@rules_command.command("list")
def rules_list() -> None:
    """List every rule: id, default severity, name and title.

    \b
    Example:
      planner rules list
    """
    from rules import RULES

    for rule in RULES:
        click.echo(f"{rule.id}  {rule.severity.value:5}  {rule.name:18}  {rule.title}")


@rules_command.command("explain")
@click.argument("rule_id", metavar="ID", shell_complete=_rule_ids)
def rules_explain(rule_id: str) -> None:
    """Print the page of one rule.

    \b
    Example:
      planner rules explain ABI001
    """
    from rules import RULES

    for rule in RULES:
        if rule.id == rule_id.upper():
            click.echo(f"{rule.id} {rule.name} ({rule.severity.value})\n\n{rule.page}")
            return
    known = ", ".join(rule.id for rule in RULES)
    raise InputError(f"no rule has the id {rule_id!r}; the rules are {known}")


@rules_command.command("facts")
@click.argument("table", required=False)
def rules_facts(table: str | None) -> None:
    """List the facts that rules rest on, each with its source and the day it was checked; or those of one TABLE.

    \b
    Example:
      planner rules facts toolkits
    """
    from planner.facts import known_facts
    from planner.render.facts import render_facts

    facts = known_facts()
    names = [name for name, _ in facts.tables()]
    if table is not None and table not in names:
        raise InputError(f"there is no table {table!r}; the tables are {', '.join(names)}")
    click.echo(render_facts(facts, table), nl=False)
