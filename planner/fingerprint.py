"""Digests of what a plan rests on, so that a plan made for another state is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Fingerprint
from planner.serialize import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model.installed import Host
    from planner.model.solve import Repodata
    from planner.situation import Situation


def fingerprint(situation: Situation) -> Fingerprint:
    """The digests of target, host, request and repodata."""
    request = situation.request
    return Fingerprint(
        target=situation.target.fingerprint,
        host=host_digest(situation.host),
        request=digest(
            [
                request.operation,
                list(request.specs),
                request.tool,
                list(request.channels),
                request.channel_priority,
                list(request.options),
            ]
        ),
        repodata=repodata_digest(situation.repodata),
    )


def host_digest(host: Host) -> str:
    """The digest of a machine's facts."""
    return digest(
        [
            host.subdir,
            [[package.name, package.version, package.build] for package in host.virtual_packages],
            host.driver,
            list(host.compute_capabilities) if host.compute_capabilities is not None else None,
        ]
    )


def repodata_digest(repodata: Iterable[Repodata]) -> str:
    """The digest of what the channels offer."""
    return digest([[item.channel, item.subdir, item.digest] for item in repodata])
