"""The report's sentences: each says what the plan document holds and no more."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from planner.model.plan import Severity, Verdict
from planner.render.groups import plural, sentence
from planner.shell import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.model.installed import Host
    from planner.model.plan import Argv, Finding, Plan, Target
    from planner.model.solve import ChannelPriority, Request

_WEIGHTS = ((Severity.BLOCK, "block"), (Severity.WARN, "warning"), (Severity.NOTE, "note"))
# No option of conda's says flexible: that is its default.
_PRIORITIES: dict[ChannelPriority, Argv] = {
    "strict": ("--strict-channel-priority",),
    "disabled": ("--no-channel-priority",),
}
_RUN = 4  # ids in a row that are told as a range
_TREE = " \t│├└─|`-"
_JOINED = 4  # lines of an explanation that the verdict may hold
_SHOWN = 300  # characters of one message in the sentence that carries the verdict


def command(plan: Plan) -> str:
    """The request as it would be typed, `conda install python=3.10`; where it looks is said beside it.

    `--override-channels` alone would be another command, and is left to where the channels are named.
    """
    argv = (*_argv(plan), *(("--prefix", plan.target.prefix) if "--file" in plan.request.options else ()))
    return " ".join(word for word in quoted(argv, plan.host.subdir) if word != "--override-channels")


def dry_run(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """The commands by which the tool itself answers the same question, changing nothing.

    What was given of the host, the tool is told by variables, as its options have no place for it.
    """
    request, subdir = plan.request, plan.host.subdir
    overrides = _overrides(plan.host)
    where = ("--prefix", plan.target.prefix, *_channel_words(request))
    argv = (*_dry_argv(plan), *where, "--dry-run")
    if subdir.startswith("win-"):  # its shell has no variables for one command, nor any that are empty
        return tuple(
            quoted(words, subdir) for words in (*(("set", text) for text in overrides if text[-1] != "="), argv)
        )
    return (quoted((*overrides, *argv), subdir),)


def _overrides(host: Host) -> tuple[str, ...]:
    """`CONDA_OVERRIDE_CUDA=12.4` where the host was given: conda and mamba read these; an empty one stands for none."""
    if host.source == "detected":
        return ()
    names = ("__osx",) if host.subdir.startswith("osx-") else ("__cuda", "__glibc")
    known = names if host.source == "given" else tuple(name for name in names if host.virtual(name))
    platform = () if host.source == "given" else (f"CONDA_SUBDIR={host.subdir}",)
    return (*platform, *(f"CONDA_OVERRIDE_{name.strip('_').upper()}={host.virtual(name) or ''}" for name in known))


def _channel_words(request: Request) -> tuple[str, ...]:
    """The channels in their order, and how they rank where that is not the tool's default."""
    if request.tool == "mamba" and request.operation == "remove":
        return ()  # it has none of these options: it solves with what is installed
    channels = [word for channel in request.channels for word in ("--channel", channel)]
    override = ["--override-channels"] if channels and "--override-channels" not in request.options else []
    return (*override, *channels, *_PRIORITIES.get(request.channel_priority, ()))


def _dry_argv(plan: Plan) -> Argv:
    """The command, but for a file of specs: `env create` takes no channels, and what the file asks for is on record."""
    argv = _argv(plan)
    if argv[1:3] != ("env", "create"):
        return argv
    options = [word for word in plan.request.options if word not in argv[argv.index("--file") :][:2]]
    return (plan.request.tool, "create", *options, *plan.request.specs)


def _argv(plan: Plan) -> Argv:
    request = plan.request
    if "--file" in request.options:  # the specs stand in the file
        made_from_specs = request.options[request.options.index("--file") + 1].endswith((".yml", ".yaml"))
        create = ("env", "create") if made_from_specs else ("create",)
        return (request.tool, *create, *request.options)
    verb = ("update", "--all") if request.operation == "update-all" else (request.operation,)
    return (request.tool, *verb, *request.options, *request.specs)


def headline(plan: Plan) -> str:
    """The verdict in one sentence, and why."""
    sentences = {
        Verdict.SAFE: _safe,
        Verdict.REVIEW: _review,
        Verdict.UNSAFE: _unsafe,
        Verdict.UNSOLVABLE: _unsolvable,
        Verdict.UNKNOWN: _unknown,
    }
    hedged = plan.solver.fidelity == "approximate" and plan.verdict not in {Verdict.UNSOLVABLE, Verdict.UNKNOWN}
    hedge = ", as far as an approximate solve can tell" if hedged else ""
    return sentence(f"{plan.verdict.value.upper()}{hedge}: {sentences[plan.verdict](plan)}")


def _safe(plan: Plan) -> str:
    if plan.outcome == "no-change":
        return f"{plan.request.tool} would change no package; {_clean(plan)}"
    return _clean(plan)


def _clean(plan: Plan) -> str:
    return f"no rule of planner {plan.planner_version} found anything that this would break or that needs a decision"


def _review(plan: Plan) -> str:
    warnings = [finding for finding in weighing(plan) if finding.severity is Severity.WARN]
    broken = broken_subjects(warnings)
    if broken:
        first = _first([finding for finding in warnings if (finding.environment, finding.subject) in broken])
        what = f"{_things(len(broken))} would break"
        rated = f"rated a warning: {first}" if len(broken) == 1 else f"each rated a warning; first: {first}"
        return f"no rule blocks this, but {what}, {rated}"
    first = _first(warnings)
    certain = sum(finding.status == "certain" for finding in warnings)
    parts = [plural(certain, "warning")] if certain else []
    if certain < len(warnings):
        parts.append(f"{plural(len(warnings) - certain, 'possible warning')}, not verified,")
    verb = "needs" if len(warnings) == 1 else "need"
    return f"no rule blocks this, but {' and '.join(parts)} {verb} a person's decision; first: {first}"


def _unsafe(plan: Plan) -> str:
    certain = [finding for finding in weighing(plan) if finding.status == "certain"]
    blocks = [finding for finding in certain if finding.severity is Severity.BLOCK]
    broken = broken_subjects(certain)
    first = _first(blocks)
    if any(finding.predicts is None for finding in blocks):
        stands = "stands" if len(blocks) == 1 else "stand"
        also = f", and {_things(len(broken))} would break" if broken else ""
        return f"{plural(len(blocks), 'block')} {stands} against this{also}; first: {first}"
    if len(broken) == 1:
        return f"carrying this out would break one thing: {first}"
    return f"carrying this out would break {_things(len(broken))}; first: {first}"


def _unsolvable(plan: Plan) -> str:
    why = _beginning(plan.explanation or "") or "it gives no reason"
    if plan.solver.fidelity == "approximate":
        return f"{plan.solver.name}, standing in for {plan.request.tool}'s solver, finds no solution: {_short(why)}"
    return f"{plan.request.tool} would refuse this request: {_short(why)}"


def _beginning(explanation: str) -> str:
    """The first line of an explanation, and what it announces where it ends in a colon; without its tree's lines."""
    lines = [line for line in (line.strip(_TREE) for line in explanation.splitlines()) if line]
    count = 1
    while count < min(len(lines), _JOINED) and lines[count - 1].endswith(":"):
        count += 1
    return " ".join(lines[:count]).rstrip(":")


def _unknown(plan: Plan) -> str:
    unverified = [finding for finding in weighing(plan) if finding.status == "unverified" and _blocks(finding)]
    unread = [row for row in plan.environments if row.prefix == plan.target.prefix and not row.readable]
    reasons = []
    if unverified:
        number = len(unverified)
        reasons.append(f"{plural(number, 'possible break')} could not be checked; first: {_first(unverified)}")
    if unread:
        what = f": {_short(unread[0].evidence[0])}" if unread[0].evidence else ""
        seen = "can be foreseen" if not_yet_made(plan) else "could be read"
        reasons.append(f"not everything of {plan.target.name} {seen}{what}")
    return f"it cannot be said whether this is safe, since {'; and '.join(reasons) or 'an input is missing that the plan does not name'}"


def _blocks(finding: Finding) -> bool:
    return finding.severity is Severity.BLOCK


def _first(findings: Sequence[Finding]) -> str:
    return _short(findings[0].message) if findings else "the plan names none"


def _short(text: str) -> str:
    """The text, cut between two words where it is long: half a version is another version."""
    if len(text) <= _SHOWN:
        return text
    head, space, _ = text[: _SHOWN + 1].rpartition(" ")
    return f"{(head if space else text[:_SHOWN]).rstrip(' ,;:')} ..."


def _things(number: int) -> str:
    return "one thing" if number == 1 else f"{number} things"


def weighing(plan: Plan) -> tuple[Finding, ...]:
    """The findings that count in the verdict."""
    return tuple(finding for finding in plan.findings if not finding.pre_existing)


def broken_subjects(findings: Iterable[Finding]) -> frozenset[tuple[str, str]]:
    """What would be seen to break when the change is carried out: environment and subject, each once."""
    return frozenset(
        (finding.environment, finding.subject)
        for finding in findings
        if finding.status == "certain"
        and finding.predicts is not None
        and finding.basis == "change"
        and finding.severity is not Severity.NOTE
    )


def why_label(plan: Plan) -> str:
    """What introduces the findings under the verdict."""
    if plan.outcome == "unsolvable":
        return "And if what was asked for were done all the same"
    return "Because"


def tally(plan: Plan) -> str:
    """How many findings of which weight, unverified and earlier ones apart."""
    current = weighing(plan)
    certain = [finding for finding in current if finding.status == "certain"]
    unverified = [finding for finding in current if finding.status != "certain"]
    text = f"Findings: {', '.join(_by_weight(certain))}"
    if unverified:
        parts = _by_weight(unverified, of_none=False)
        text += f"; {len(unverified)} more not verified ({', '.join(parts)})"
    earlier = len(plan.findings) - len(current)
    if earlier:
        text += f"; {earlier} that {'was' if earlier == 1 else 'were'} there before and {'does' if earlier == 1 else 'do'} not count"
    return f"{text}."


def _by_weight(findings: Sequence[Finding], *, of_none: bool = True) -> list[str]:
    """`2 blocks`, `0 warnings`, `1 note`; without those that there are none of, if so wished."""
    counts = Counter(finding.severity for finding in findings)
    return [plural(counts[severity], word) for severity, word in _WEIGHTS if counts[severity] or of_none]


def engine(plan: Plan) -> str:
    """The solver by name and version."""
    return f"{plan.solver.name} {plan.solver.version}"


def request_basis(plan: Plan) -> str:
    """What findings mean when there is no solution to judge."""
    asked = " ".join(plan.request.specs) or "the request"
    return (
        f"There is no solution, so nothing of this happens now. What follows judges the request alone: it is what "
        f"would be so if {asked} were brought about in {plan.target.name} in some other way."
    )


def nothing_found(plan: Plan) -> str:
    """When no certain finding is there to list."""
    if plan.outcome == "unsolvable":
        return f"There is no solution to judge, and no rule of planner {plan.planner_version} found anything in the request alone."
    return f"No rule of planner {plan.planner_version} found anything for certain."


def signed(plan: Plan) -> str:
    """What a signature stands for: this plan, and no later one."""
    return (
        f"This is about the plan made {plan.created} by planner {plan.planner_version} for {plan.target.name}; its "
        "fingerprint stands below. Where environment, host or request have changed since, ask again and sign that answer."
    )


def approximate(plan: Plan) -> str:
    """Why the solve is not exactly the tool's, and what that means."""
    return (
        f"{engine(plan)} answered, not {plan.request.tool}'s own solver ({plan.solver.reason}). "
        f"{plan.request.tool} may choose other versions or builds, or keep or remove other packages."
    )


def assumed_host(plan: Plan) -> str:
    """What was assumed of the host, and how to say better."""
    return (
        f"The packages are for {plan.host.subdir}, which is not the platform of the machine that made this report. "
        f"Assumed: {virtual_packages(plan.host)}. To find out: ask again with the real host's facts "
        "(--cuda, --driver, --glibc)."
    )


def channels(request: Request) -> str:
    """Where packages are looked for, and how channels rank."""
    only = ", no others" if "--override-channels" in request.options else ""
    return f"{', '.join(request.channels) or 'none'} (priority: {request.channel_priority}{only})"


def not_yet_made(plan: Plan) -> bool:
    """Whether the plan is about an environment that a file describes, and that is not there."""
    return "--file" in plan.request.options


def contents(target: Target) -> str:
    """What is in the environment: its python and how many packages of whom."""
    python = f"python {target.python}" if target.python else "no python"
    pip = plural(target.pip_packages, "pip package")
    return f"{python}, {plural(target.packages, 'conda package')}, {pip} that conda does not own"


def virtual_packages(host: Host) -> str:
    """`__cuda 12.4, __glibc 2.36`, by name: the order in which a saved plan has them."""
    pairs = sorted((package.name, package.version) for package in host.virtual_packages)
    return ", ".join(f"{name} {version}" for name, version in pairs) or "no virtual packages"


def gpu(host: Host) -> str:
    """Driver and compute capability, as far as they are on record."""
    driver = f"NVIDIA driver {host.driver}" if host.driver else "no NVIDIA driver on record"
    if host.compute_capabilities is None:
        return f"{driver}, compute capability not known"
    return f"{driver}, compute capability {', '.join(host.compute_capabilities) or 'none'}"


def channel_name(channel: str) -> str:
    """`conda-forge` of `https://conda.anaconda.org/conda-forge`; `pkgs/main` keeps both its parts."""
    if not channel:
        return "channel not known"
    parts = channel.rstrip("/").split("/")
    return "/".join(parts[-2:]) if parts[-2:-1] == ["pkgs"] else parts[-1]


def ids(names: Sequence[str]) -> str:
    """`F1 to F67` for a run of numbered ids, otherwise each."""
    numbers = [int(name[1:]) for name in names if re.fullmatch(r"F[0-9]{1,9}", name)]
    is_run = len(numbers) == len(names) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return f"{names[0]} to {names[-1]}" if is_run and len(names) >= _RUN else ", ".join(names)
