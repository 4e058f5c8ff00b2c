"""Digests of what a plan rests on, so that a plan made for another state is recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model import Fingerprint
from planner.serialize import digest

if TYPE_CHECKING:
    from planner.situation import Situation


def fingerprint(situation: Situation) -> Fingerprint:
    """The digests of target, host, request and repodata."""
    host, request = situation.host, situation.request
    return Fingerprint(
        target=situation.target.fingerprint,
        host=digest(
            [
                host.subdir,
                [[package.name, package.version, package.build] for package in host.virtual_packages],
                host.driver,
                list(host.compute_capabilities) if host.compute_capabilities is not None else None,
            ]
        ),
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
        repodata=digest([[item.channel, item.subdir, item.digest] for item in situation.repodata]),
    )
