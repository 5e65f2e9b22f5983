"""`rotate`: make a new token and certificate for what is up on a cluster; the pods start again with them."""

from __future__ import annotations

import argparse

from ..core.connection import NATIVE
from ..kube import namespace, owner, record, secret
from ..kube.providers import provider_of
from ..project import values
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.mutex import project_lock
from . import up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options, of which there are none."""


def run(project: Project, options: argparse.Namespace) -> int:
    """Makes them, and lets `up` bring them to the pods."""
    wanted = values.load(project)
    if wanted.provider == "local":
        raise ProjectError("On this machine every start makes a new token: make down, then make up.")
    with project_lock(project, "make rotate"):
        one = record.earlier(project, provider_of(wanted.provider).place(project, wanted))
        if one is None:
            raise ProjectError("Nothing is up in this project yet. Start the workers first: make up")
        record.refuse_other_engine(one, wanted.engine)
        if namespace.check(one.place, one.uid, one.mark) is None:
            raise ProjectError(
                f"The namespace {one.place.namespace} is gone, and with it what was up. Begin anew: make up"
            )
        owner.refuse_others(one.place, one.mark)
        secret.ensure(one.place, one.engine, one.mark, anew=True)
        meanwhile = (
            "Scripts go on; what the workers run at this moment runs again."
            if one.engine == NATIVE
            else "Scripts that are connected have to be started again."
        )
        print(f"Token and certificate are new. {meanwhile}")
        return up.start(project)
