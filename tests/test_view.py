"""What the report says, in which order: every sentence must follow from the plan and from nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from msgspec.structs import replace

from planner.model.installed import VirtualPackage
from planner.model.plan import Alternative, Alternatives, Evidence, Finding, Severity, Verdict
from planner.model.solve import Request, SolverInfo
from planner.render.blocks import Bullets, Commands, Facts, Form, Heading, Lines, Paragraph, Table
from planner.render.escape import LIMIT
from planner.render.view import build_view
from planner.serialize import plan_from_dict, plan_to_dict
from tests.sample_plans import (
    ALL,
    COMPILED,
    CONDA_LOST,
    EXPLANATION,
    NO_CHANGE,
    PURE,
    REVIEW,
    SAFE,
    UNKNOWN,
    UNSAFE,
    UNSOLVABLE,
    UNTOUCHED,
)

APPROXIMATE = SolverInfo("rattler", "0.28.0", "in-process", "approximate", "no libmambapy 2.x at hand")


def section(plan, name):
    return next(item for item in build_view(plan).sections if item.id == name)


def of(kind, plan, name):
    return [block for block in section(plan, name).blocks if isinstance(block, kind)]


def paragraphs(plan, name):
    return [block.text for block in of(Paragraph, plan, name)]


def headings(plan, name):
    return [block.text for block in of(Heading, plan, name)]


def warning(message, **values):
    return Finding("CHG002", Severity.WARN, "conda:pandas", message, "base", "", id="F1", **values)


@pytest.mark.parametrize("name", ALL)
def test_a_saved_plan_gives_the_same_report(name):
    assert build_view(plan_from_dict(plan_to_dict(ALL[name]))) == build_view(ALL[name])


def test_sections_come_in_the_order_of_a_review():
    order = ["verdict", "asked", "breaks", "changes", "untouched", "unknown", "migration", "pre-existing"]
    order += ["sign-off", "made"]
    assert [item.id for item in build_view(UNSAFE).sections] == order
    order.remove("pre-existing")
    assert [item.id for item in build_view(SAFE).sections] == order


HEADLINES = {
    "safe": (
        SAFE,
        "SAFE: no rule of planner 0.1.0 found anything that this would break or that needs a decision.",
    ),
    "safe, approximate": (
        replace(SAFE, solver=APPROXIMATE),
        (
            "SAFE, as far as an approximate solve can tell: no rule of planner 0.1.0 found anything that this would break "
            "or that needs a decision."
        ),
    ),
    "no change": (
        NO_CHANGE,
        (
            "SAFE: conda would change no package; no rule of planner 0.1.0 found anything that this would break or that "
            "needs a decision."
        ),
    ),
    "unsafe": (
        UNSAFE,
        "UNSAFE: carrying this out would break 36 things; first: conda itself is removed: base would have no conda.",
    ),
    "one thing": (
        replace(UNSAFE, findings=(CONDA_LOST,)),
        "UNSAFE: carrying this out would break one thing: conda itself is removed: base would have no conda.",
    ),
    "one thing found by two rules": (
        replace(UNSAFE, findings=(CONDA_LOST, replace(CONDA_LOST, rule="CHG001", id="F2"))),
        "UNSAFE: carrying this out would break one thing: conda itself is removed: base would have no conda.",
    ),
    "a block that breaks nothing": (
        replace(UNSAFE, findings=(replace(CONDA_LOST, predicts=None, message="python is pinned to 3.9"),)),
        "UNSAFE: 1 block stands against this; first: python is pinned to 3.9.",
    ),
    "blocks of both kinds": (
        replace(
            UNSAFE, findings=(CONDA_LOST, replace(CONDA_LOST, rule="CHG004", id="F2", predicts=None, message="pinned"))
        ),
        (
            "UNSAFE: 2 blocks stand against this, and one thing would break; first: conda itself is removed: base would "
            "have no conda."
        ),
    ),
    "earlier and unverified findings do not count": (
        replace(
            UNSAFE,
            findings=(
                replace(CONDA_LOST, id="F2", subject="conda:a", message="a was broken", pre_existing=True),
                replace(CONDA_LOST, id="F3", subject="conda:b", message="b may break", status="unverified"),
                CONDA_LOST,
            ),
        ),
        "UNSAFE: carrying this out would break one thing: conda itself is removed: base would have no conda.",
    ),
    "review": (
        replace(REVIEW, findings=(warning("pandas goes back from 2.0.3 to 1.5.3"),), solver=SAFE.solver),
        (
            "REVIEW: no rule blocks this, but 1 warning needs a person's decision; first: pandas goes back from 2.0.3 to "
            "1.5.3."
        ),
    ),
    "review, one certain and two not verified": (
        replace(
            REVIEW,
            findings=(
                warning("pandas goes back from 2.0.3 to 1.5.3"),
                warning("a may go back", status="unverified"),
                warning("b may go back", status="unverified"),
                replace(warning("c may be renamed", status="unverified"), severity=Severity.NOTE),
            ),
            solver=SAFE.solver,
        ),
        (
            "REVIEW: no rule blocks this, but 1 warning and 2 possible warnings, not verified, need a person's decision; "
            "first: pandas goes back from 2.0.3 to 1.5.3."
        ),
    ),
    "review of what is not verified": (
        replace(REVIEW, findings=(warning("a may go back", status="unverified"),), solver=SAFE.solver),
        (
            "REVIEW: no rule blocks this, but 1 possible warning, not verified, needs a person's decision; first: a may "
            "go back."
        ),
    ),
    "review of what breaks": (
        REVIEW,
        (
            "REVIEW, as far as an approximate solve can tell: no rule blocks this, but 20 things would break, each rated a "
            "warning; first: attrs 21.2.0 (pip, pure python) stays behind in lib/python3.9/site-packages, where python "
            "3.10 does not look."
        ),
    ),
    "review of one thing that breaks beside what does not": (
        replace(
            REVIEW,
            findings=(
                warning("openssl comes from b instead of a"),
                replace(warning("chardet leaves", predicts="gone"), subject="conda:chardet"),
            ),
            solver=SAFE.solver,
        ),
        "REVIEW: no rule blocks this, but one thing would break, rated a warning: chardet leaves.",
    ),
    "unsolvable": (
        UNSOLVABLE,
        (
            "UNSOLVABLE: conda would refuse this request: Cannot solve the request because of: conda 4.10.3 cannot be "
            "installed: python 3.10.* cannot be installed because there are no viable options: python 3.10.0 would "
            "conflict with."
        ),
    ),
    "unsolvable, approximate": (
        replace(UNSOLVABLE, solver=APPROXIMATE, explanation="nothing provides x\nmore"),
        "UNSOLVABLE: rattler, standing in for conda's solver, finds no solution: nothing provides x.",
    ),
    "unsolvable without a reason": (
        replace(UNSOLVABLE, explanation=" \n"),
        "UNSOLVABLE: conda would refuse this request: it gives no reason.",
    ),
    "unknown": (
        UNKNOWN,
        (
            "UNKNOWN: it cannot be said whether this is safe, since not everything of base could be read: "
            "conda-meta/numpy-1.json: it is cut at byte 1048576; judged without this package."
        ),
    ),
    "unknown break": (
        replace(
            SAFE,
            verdict=Verdict.UNKNOWN,
            findings=(replace(CONDA_LOST, status="unverified", message="numpy may not load"),),
        ),
        (
            "UNKNOWN: it cannot be said whether this is safe, since 1 possible break could not be checked; first: numpy "
            "may not load."
        ),
    ),
}


@pytest.mark.parametrize("name", HEADLINES)
def test_verdict_in_one_sentence(name):
    plan, sentence = HEADLINES[name]
    assert build_view(plan).headline == sentence


def test_verdict_names_the_groups_and_counts_what_weighs():
    (because,) = of(Bullets, UNSAFE, "verdict")
    assert because == Bullets(
        (
            "Block BASE001: conda itself is removed: base would have no conda",
            "Block PIP001: 15 pip packages would be gone: cffi, debugpy, kiwisolver, llvmlite and 11 more",
            "Warning PIP001: 20 pip packages would be gone: attrs, backcall, bleach, bokeh and 16 more",
            "Warning GPU005 (not verified): a CUDA build of pytorch is planned, but the GPU of the host is not known",
        ),
        "Because",
    )
    assert paragraphs(UNSAFE, "verdict") == [
        "Findings: 16 blocks, 20 warnings, 0 notes; 1 more not verified (1 warning); 1 that was there before and does not count.",
        (
            "Recommended: leave base as it is, make the new environment base-py310 beside it by the steps below, and move "
            "over once its verification has passed."
        ),
    ]


def test_the_tally_counts_what_the_headline_counts():
    plan = HEADLINES["review, one certain and two not verified"][0]
    first, *_ = paragraphs(plan, "verdict")
    assert first == "Findings: 0 blocks, 1 warning, 0 notes; 3 more not verified (2 warnings, 1 note)."


def test_findings_that_say_the_same_are_told_once_with_every_name():
    assert headings(UNSAFE, "breaks") == [
        "Block BASE001: conda itself is removed: base would have no conda",
        "Block PIP001: 15 pip packages would be gone",
        "Warning PIP001: 20 pip packages would be gone",
    ]
    text = paragraphs(UNSAFE, "breaks")
    compiled = ", ".join(f"{name} {version}" for name, version in COMPILED)
    pure = ", ".join(f"{name} {version}" for name, version in PURE)
    assert text == [
        "Remedy: leave base as it is and make a new environment with python 3.10.",
        (
            "14 of them like this one: cffi 1.14.6 (pip, compiled for cp39) stays behind in lib/python3.9/site-packages, "
            "where python 3.10 does not look."
        ),
        f"The 14: {compiled}.",
        (
            "Remedy, for each of the 15 as for cffi 1.14.6: install cffi 1.14.6 again for python 3.10 (requirements.txt of "
            "the migration)."
        ),
        (
            "All 20 like this one: attrs 21.2.0 (pip, pure python) stays behind in lib/python3.9/site-packages, where "
            "python 3.10 does not look."
        ),
        f"The 20: {pure}.",
        (
            "Remedy, for each of the 20 as for attrs 21.2.0: install attrs 21.2.0 again for python 3.10 (requirements.txt "
            "of the migration)."
        ),
        "1 more finding is possible but not verified: see what could not be known.",
    ]
    assert (
        Bullets(
            (
                (
                    "argon2-cffi 21.1.0 (pip, compiled, abi3) stays behind in lib/python3.9/site-packages, where python "
                    "3.10 does not look."
                ),
            )
        )
        in section(UNSAFE, "breaks").blocks
    )


def test_every_finding_of_a_group_has_its_evidence():
    tables = of(Table, UNSAFE, "breaks")
    assert [(len(table.rows), table.short) for table in tables] == [(15, 3), (20, 3)]
    assert tables[0].rows[0] == (
        "F2",
        "cffi 1.14.6",
        "lib/python3.9/site-packages/cffi-1.14.6.dist-info/WHEEL: Tag: cp39-cp39-manylinux_2_17_x86_64",
    )
    shown = {row[0] for table in tables for row in table.rows}
    assert shown == {finding.id for finding in UNSAFE.findings if finding.rule == "PIP001"}


def test_a_single_finding_shows_evidence_edge_and_what_would_be_seen():
    assert of(Bullets, replace(UNSAFE, findings=(CONDA_LOST,)), "breaks") == [
        Bullets(
            (
                "transaction: conda 4.10.3 is unlinked and nothing replaces it",
                "edge E1, removed: conda:conda needs python >=3.9,<3.10.0a0 of conda:python (python_abi)",
                "what would be seen: conda package conda would be gone",
            ),
            "Evidence",
        )
    ]


def test_without_a_solution_no_edge_is_told_fresh_or_saved():
    plan = replace(UNSOLVABLE, edges=UNSAFE.edges, findings=(CONDA_LOST,), environments=())
    assert build_view(plan_from_dict(plan_to_dict(plan))) == build_view(plan)
    assert "edge E1" not in str(build_view(plan))


def test_conda_labels_with_builds_are_one_case():
    def dropped(number, name, version, build):
        return Finding(
            "CHG001",
            Severity.BLOCK,
            f"conda:{name}",
            f"{name} {version} {build} leaves, since it needs python <3.10",
            "base",
            f"ask for {name}",
            id=f"F{number}",
        )

    plan = replace(
        UNSAFE,
        findings=(dropped(1, "cffi", "1.14", "py39h4_0"), dropped(2, "tk", "8.6", "1"), dropped(3, "a-b", "1", "0")),
    )
    assert paragraphs(plan, "breaks") == [
        "All 3 like this one: cffi 1.14 py39h4_0 leaves, since it needs python <3.10.",
        "The 3: cffi 1.14 py39h4_0, tk 8.6 1, a-b 1 0.",
        "Remedy, for each of the 3 as for cffi 1.14 py39h4_0: ask for cffi.",
    ]


def test_findings_that_say_different_things_are_all_told():
    plan = replace(
        REVIEW,
        findings=(
            warning("pandas goes back from 2.0.3 to 1.5.3"),
            replace(warning("numpy goes back from 2.1 to 1.26"), subject="conda:numpy", id="F2", remedy="pin numpy"),
        ),
    )
    assert of(Bullets, plan, "breaks") == [
        Bullets(("pandas goes back from 2.0.3 to 1.5.3.", "numpy goes back from 2.1 to 1.26."))
    ]
    assert paragraphs(plan, "breaks") == ["Remedy: pin numpy."]


def test_severity_orders_the_groups_whatever_the_plan_has_first():
    findings = (
        replace(warning("a note"), severity=Severity.NOTE, rule="CHG003", id="F1"),
        replace(warning("a warning"), id="F2"),
        replace(CONDA_LOST, id="F3"),
    )
    assert headings(replace(UNSAFE, findings=findings), "breaks") == [
        "Block BASE001: conda itself is removed: base would have no conda",
        "Warning CHG002: a warning",
        "Note CHG003: a note",
    ]


def test_a_long_reason_is_cut_between_words():
    words = [f"app{number} requires python >=3.10,<3.11.0a0," for number in range(10)]
    told = build_view(replace(UNSOLVABLE, explanation=" ".join(words))).headline
    kept = told.removesuffix(" ...").rpartition(": ")[2]
    assert len(kept) < 300
    assert kept.split() == " ".join(words).split()[: len(kept.split())]


def test_unsolvable_is_told_as_what_would_be_if_it_were_done():
    verdict = section(UNSOLVABLE, "verdict")
    assert next(block for block in verdict.blocks if isinstance(block, Bullets)).label == (
        "And if what was asked for were done all the same"
    )
    assert Lines(EXPLANATION) in verdict.blocks
    assert paragraphs(UNSOLVABLE, "breaks")[0] == (
        "There is no solution, so nothing of this happens now. What follows judges the request alone: it is what would "
        "be so if python=3.10 were brought about in base in some other way."
    )
    assert "would be left behind in" in paragraphs(UNSOLVABLE, "breaks")[1]
    assert paragraphs(UNSOLVABLE, "changes") == ["Nothing: a request without a solution changes nothing."]
    assert paragraphs(UNSOLVABLE, "untouched") == ["A request without a solution changes no environment."]


def test_changes_show_what_was_asked_and_what_leaves_first():
    (table,) = of(Table, UNSAFE, "changes")
    assert table.headers == ("Package", "Before", "After", "Action", "Why")
    assert [row[:4] for row in table.rows] == [
        ("conda *", "4.10.3 py39h06a4308_0", "absent", "remove"),
        ("python *", "3.9.5 h12debd9_4", "3.10.0 h151d27f_3", "upgrade"),
        ("pip", "21.1.3 py39h06a4308_0", "21.1.3 py310h06a4308_0", "rebuild"),
        ("six", "1.16.0 pyhd3eb1b0_0", "1.16.0 pyhd3eb1b0_0", "relink"),
    ]
    assert paragraphs(UNSAFE, "changes") == [
        (
            "4 package changes: 1 removed, 1 upgraded, 1 replaced by another build of the same version, 1 linked again for "
            "the new python."
        ),
        "2 packages marked * someone asked for, now or earlier; they come first.",
    ]
    (table,) = of(Table, SAFE, "changes")
    assert table.rows[0][1:3] == ("1.16.0 pyhd3eb1b0_0 (pkgs/main)", "1.16.0 pyhd3eb1b0_0 (conda-forge)")


def test_untouched_environments_come_with_their_evidence():
    assert of(Bullets, UNSAFE, "untouched") == [
        Bullets(UNTOUCHED.evidence, "py37 (/opt/conda/envs/py37) is untouched"),
        Bullets(("4 packages unlinked, 3 packages linked",), "base (/opt/conda) is reached by findings F1 to F36"),
    ]
    assert paragraphs(UNSAFE, "untouched") == [
        "In base itself, 34 of 38 conda packages are in none of the changes above."
    ]


def test_one_is_told_as_one_and_none_not_at_all():
    one = replace(SAFE.changes[0], requested=True)
    row = replace(UNSAFE.environments[0], affected=True, via=("F1",))
    plan = replace(SAFE, changes=(one,), environments=(row,), target=replace(SAFE.target, packages=0))
    assert "1 package marked * someone asked for, now or earlier; it comes first." in paragraphs(plan, "changes")
    assert of(Bullets, plan, "untouched")[0].label.endswith("is reached by finding F1")
    assert not [text for text in paragraphs(plan, "untouched") if "conda package" in text]


def test_what_could_not_be_read_is_not_called_untouched():
    labels = [block.label for block in of(Bullets, UNKNOWN, "untouched")]
    assert labels == ["base (/opt/conda) is reached"]
    assert paragraphs(UNKNOWN, "untouched")[0] == ("Not fully readable, so listed under what could not be known: py37.")
    assert headings(UNKNOWN, "unknown") == [
        "base (/opt/conda): not everything could be read",
        "py37 (/opt/conda/envs/py37): not everything could be read",
        "The host is assumed",
    ]


def test_an_approximate_solve_is_said_and_how_to_settle_it():
    assert headings(REVIEW, "unknown") == ["The solve is approximate"]
    (commands,) = of(Commands, REVIEW, "unknown")
    assert " ".join(commands.commands[0]) == (
        "conda install six=1.17 --prefix /opt/conda --override-channels --channel https://repo.anaconda.com/pkgs/main "
        "--channel https://conda.anaconda.org/conda-forge --dry-run"
    )


def dry_run(**values):
    (commands,) = of(Commands, replace(REVIEW, **values), "unknown")
    return [" ".join(command) for command in commands.commands], commands.continuation


def test_a_dry_run_asks_what_the_report_answered():
    given = replace(REVIEW.host, source="given")
    assert dry_run(host=given, request=replace(REVIEW.request, channels=(), channel_priority="strict")) == (
        [
            (
                "CONDA_OVERRIDE_CUDA=12.4 CONDA_OVERRIDE_GLIBC=2.36 conda install six=1.17 --prefix /opt/conda "
                "--strict-channel-priority --dry-run"
            )
        ],
        "\\",
    )
    no_gpu = replace(given, virtual_packages=(VirtualPackage("__glibc", "2.28"),))
    asked = Request("install", ("six",), "mamba", channel_priority="disabled")
    assert dry_run(host=no_gpu, request=asked)[0] == [
        (
            "CONDA_OVERRIDE_CUDA= CONDA_OVERRIDE_GLIBC=2.28 mamba install six --prefix /opt/conda --no-channel-priority "
            "--dry-run"
        )
    ]
    windows = replace(no_gpu, subdir="win-64", virtual_packages=(VirtualPackage("__cuda", "12.4"),))
    assert dry_run(host=windows, request=Request("install", ("six",))) == (
        ["set CONDA_OVERRIDE_CUDA=12.4", "conda install six --prefix /opt/conda --dry-run"],
        "^",
    )
    asked = Request("install", ("six=1",), channels=("conda-forge",), options=("--file", "a b.yml", "--no-pin"))
    assert dry_run(request=asked)[0] == [
        "conda create --no-pin six=1 --prefix /opt/conda --override-channels --channel conda-forge --dry-run"
    ]
    # mamba's remove has no options for channels.
    asked = Request("remove", ("six",), "mamba", ("conda-forge",), "strict")
    assert dry_run(request=asked)[0] == ["mamba remove six --prefix /opt/conda --dry-run"]


def test_nothing_is_called_known_when_something_is_not():
    known = "Every input was read, the solver is the tool's own, and no rule reported missing evidence."
    assert paragraphs(SAFE, "unknown") == [known]
    for plan in (UNSAFE, REVIEW, UNKNOWN, replace(SAFE, solver=APPROXIMATE)):
        assert known not in paragraphs(plan, "unknown")


def test_unverified_findings_stand_where_the_unknown_stands():
    assert headings(UNSAFE, "unknown") == [
        "Warning GPU005 (not verified): a CUDA build of pytorch is planned, but the GPU of the host is not known"
    ]
    assert paragraphs(UNSAFE, "unknown") == ["Remedy: say what the host has: --cuda 12.4, or --cuda none."]


def test_earlier_findings_stand_apart():
    assert headings(UNSAFE, "pre-existing") == ["Note CHG003: six comes from another channel"]


def test_migration_steps_with_commands_quoted_for_the_shell():
    assert headings(UNSAFE, "migration") == [
        "Step 1: Create base-py310 beside base",
        "Step 2: Install the pip layer",
        "Step 3: Verify the GPU in base-py310",
        "After sign-off",
        "Follow-up 1: Point the Jupyter kernels at base-py310",
        "The way back",
        "Rollback 1: Remove base-py310; base was never touched",
    ]
    commands = of(Commands, UNSAFE, "migration")
    assert [block.label for block in commands] == ["Run", "Check", "Undo", "Run", "Run"]
    assert commands[3].commands[0][-1] == "'my requirements.txt'"
    assert commands[3].continuation == "\\"
    assert of(Facts, UNSAFE, "migration") == [
        Facts(
            (
                ("New environment", "base-py310 at /opt/conda/envs/base-py310"),
                ("Download", "41.0 MB (41000000 bytes)"),
                ("Disk", "not known: what a channel states is the size of each archive, not what it unpacks to"),
            )
        )
    ]
    bullets = of(Bullets, UNSAFE, "migration")
    assert bullets[0].items == ("python=3.9.7. python stays on 3.9. lost: conda. downgraded: pip",)
    # environment.yml is for people: no step uses it.
    assert bullets[1].items == ("explicit.txt (2 lines)",)


def test_the_specs_of_an_alternative_are_quoted_and_its_losses_counted():
    lost = tuple(f"p{number}" for number in range(14))
    item = Alternative(("python=3.11", "pytorch * *cuda*"), lost=lost)
    plan = replace(UNSAFE, alternatives=Alternatives(complete=True, items=(item,)))
    told = "lost: p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11 and 2 more: the plan document has them"
    assert of(Bullets, plan, "migration")[0].items == (f"python=3.11 'pytorch * *cuda*'. {told}",)


def test_commands_for_windows_are_quoted_for_its_shell():
    plan = replace(UNSAFE, host=replace(UNSAFE.host, subdir="win-64"))
    commands = of(Commands, plan, "migration")
    assert commands[3].commands[0][-1] == '"my requirements.txt"'
    assert commands[3].continuation == "^"


def test_commands_with_unprintable_words_say_so():
    step = replace(UNSAFE.migration.steps[0], commands=(("rm", "a\x1b[2Jb"),))
    plan = replace(UNSAFE, migration=replace(UNSAFE.migration, steps=(step, UNSAFE.migration.steps[-1])))
    assert (
        "Characters that cannot be printed are shown as escapes; the plan document has the exact words."
        in paragraphs(plan, "migration")
    )


def test_a_conda_that_cannot_run_today_is_told_where_it_is_to_carry_something_out():
    told = "this installation's own conda cannot run today"
    assert told not in paragraphs(UNSAFE, "verdict")[-1]
    for plan in (UNSAFE, replace(SAFE, recommendation="in-place")):
        broken = replace(plan, findings=(replace(CONDA_LOST, pre_existing=True),))
        assert told in paragraphs(broken, "verdict")[-1]
        assert told in paragraphs(broken, "migration")[0]


def test_no_migration_is_said():
    plan = replace(UNSOLVABLE, migration=None, recommendation="do-not-proceed")
    text = paragraphs(plan, "migration")
    assert text[0] == "Recommended: do not proceed; leave base as it is."
    assert text[-1] == "There is no migration plan: no new environment that could be migrated to was found."


def test_the_request_is_shown_as_typed():
    plan = replace(SAFE, request=Request("remove", ("my pkg",), "conda", ("c",), "strict", ("--force",)))
    assert of(Facts, plan, "asked")[0].pairs[0] == ("Request", "conda remove --force 'my pkg'")
    assert of(Facts, NO_CHANGE, "asked")[0].pairs[0] == ("Request", "conda update --all")


def test_long_texts_are_cut_and_say_so():
    plan = replace(
        UNSAFE,
        findings=(replace(CONDA_LOST, message="m" * 1_000_000, evidence=(Evidence("file", "w" * 5000, "ok"),)),),
        explanation=None,
    )
    view = build_view(plan)
    texts = [block.text for block in section(plan, "breaks").blocks if isinstance(block, Heading)]
    assert texts[0].endswith("m... (998000 more characters: the plan document has them)")
    assert len(texts[0]) < LIMIT + 100
    assert len(view.headline) < 500


def test_building_a_view_imports_no_renderer():
    code = "import sys, planner.render.view, planner.render.markdown; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_sign_off_names_the_plan_that_it_is_for_and_leaves_room_to_write():
    (text,) = paragraphs(UNSAFE, "sign-off")
    assert "2026-11-23T18:00:00Z by planner 0.1.0 for base" in text
    (form,) = of(Form, UNSAFE, "sign-off")
    assert form.labels == ("Requested by", "Reviewed by", "Decision", "Date", "Change window", "Rollback owner")


def test_the_request_is_told_without_the_option_that_would_name_no_channel():
    asked = replace(SAFE, request=replace(SAFE.request, options=("--override-channels",)))
    assert build_view(asked).title == 'What "conda install six=1.17" would do to base'
    (facts,) = of(Facts, asked, "asked")
    assert dict(facts.pairs)["Channels"].endswith("(priority: flexible, no others)")


def test_findings_that_break_nothing_at_once_say_what_they_are_about():
    plan = replace(
        REVIEW, findings=(warning("pandas goes back"), replace(warning("six goes back"), subject="conda:six"))
    )
    assert headings(plan, "breaks") == ["Warning CHG002: 2 conda packages; first: pandas goes back"]
    (because,) = of(Bullets, plan, "verdict")
    assert because.items == ("Warning CHG002: 2 conda packages (pandas, six); first: pandas goes back",)


def test_many_packages_linked_again_for_one_reason_are_one_sentence():
    (again,) = (change for change in UNSAFE.changes if change.action == "relink")
    names = ("six", "attrs", "idna", "wheel")
    several = tuple(replace(again, name=name, after=replace(again.after, name=name)) for name in names)
    plan = replace(UNSAFE, changes=(*UNSAFE.changes[:-1], *several))
    (table,) = of(Table, plan, "changes")
    assert [row[0] for row in table.rows] == ["conda *", "python *", "pip"]
    assert paragraphs(plan, "changes")[-1] == (
        "4 more of the same build, noarch python package, linked again for python 3.10: "
        "attrs 1.16.0, idna 1.16.0, six 1.16.0, wheel 1.16.0."
    )


def test_a_few_of_one_wording_share_a_line_and_all_evidence_of_a_finding_is_one_row():
    def back(name, versions, number):
        where = f"conda-meta/{name}.json"
        return replace(
            warning(f"{name} goes back from {versions}"),
            subject=f"conda:{name}",
            id=f"F{number}",
            evidence=(Evidence("metadata", where, "version: 2"), Evidence("metadata", "transaction", "version: 1")),
        )

    plan = replace(REVIEW, findings=(back("a1", "2 to 1", 1), back("b1", "2 to 1", 2), back("c1", "4 to 3", 3)))
    (bullets,) = of(Bullets, plan, "breaks")
    assert bullets.items == ("a1 goes back from 2 to 1. The same of b1.", "c1 goes back from 4 to 3.")
    (table,) = of(Table, plan, "breaks")
    assert table.rows[0] == ("F1", "a1", "conda-meta/a1.json: version: 2; transaction: version: 1")
    assert len(table.rows) == 3


def test_the_edges_of_many_findings_are_told_by_provider():
    edges = tuple(replace(UNSAFE.edges[0], id=f"E{n}", consumer=f"pip:p{n}", requirement="cp39") for n in range(1, 7))
    other = replace(edges[0], id="E7", provider="conda:cudatoolkit", kind="soname", status="unverified")
    found = tuple(
        replace(CONDA_LOST, rule="PIP001", subject=f"pip:p{n}", id=f"F{n}", edge_ids=(f"E{edge}", "E3"))
        for n, edge in enumerate((6, 2, 1, 9, 7, 5, 8), start=1)
    )
    (along,) = [
        block
        for block in of(Bullets, replace(UNSAFE, findings=found, edges=(*edges, other)), "breaks")
        if block.label == "Along these edges"
    ]
    who = "pip:p1, pip:p2, pip:p3, pip:p5 and 1 more"
    assert along.items == (
        f"5 edges, removed (E1 to E3, E5 to E6): {who} need cp39 of conda:python (python_abi)",
        "1 edge, unverified (E7): pip:p1 needs cp39 of conda:cudatoolkit (soname)",
    )


def test_the_recommendation_says_what_the_new_environment_lacks():
    text = "# The requested packages\n# Asked for, and not in the new environment: ray-all; streamlit\nname: x\n"
    migration = replace(UNSAFE.migration, artifacts=(("environment.yml", text),))
    assert paragraphs(replace(UNSAFE, migration=migration), "verdict")[-1].endswith(
        "once its verification has passed. Asked for, and not in the new environment: ray-all; streamlit."
    )
    assert "Asked for" not in paragraphs(UNSAFE, "verdict")[-1]


def test_steps_beside_a_change_in_place_are_said_to_be_the_other_way():
    steps = UNSAFE.migration
    text = paragraphs(replace(REVIEW, migration=steps, recommendation="in-place"), "migration")
    assert text[0] == "Recommended: carry it out in base itself."
    assert text[1] == (
        f"The steps below are the other way, by the new environment {steps.name}, for whoever does not want to change "
        "base: base is not changed by them."
    )
    assert "the other way" not in " ".join(paragraphs(UNSAFE, "migration"))


def test_versions_that_go_back_or_far_are_listed_where_the_new_environment_is_proposed():
    told = [f"p{number} 2.0 -> 1.0, goes back" for number in range(12)]
    text = "".join(f"# Another version in the new environment: {line}\n" for line in told)
    migration = replace(
        UNSAFE.migration, artifacts=(("environment.yml", f"{text}name: x\n# no comment of its head\n"),)
    )
    label = "Of what was asked for, and of torch's family, these go back or have another major version"
    found = [block for block in of(Bullets, replace(UNSAFE, migration=migration), "migration") if block.label == label]
    assert [block.items for block in found] == [(*told[:10], "and 2 more, all in environment.yml")]
    assert label not in [block.label for block in of(Bullets, UNSAFE, "migration")]
