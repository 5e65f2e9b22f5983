"""What has to be right before anything can be put on a cluster; the project's own checks come before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ..core.connection import DASK
from ..errors import KubefutureError
from ..project.checks import Finding
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.foreseen import is_pending
from ..project.values import Values
from . import namespace, owner, registry
from .commands import KubeError, find, kubectl_json, may, version_of
from .engine import find_engine
from .image import PYTHON, base_of, recipe, repository
from .place import Place
from .platforms import platform_of
from .record import read, refuse_other_engine
from .registry_http import RegistryError
from .release import helm_version
from .room import lacking
from .server_version import server_version

OLDEST = (1, 27)
"""The oldest Kubernetes, as in Chart.yaml: what is older has been without mends for years."""

_RIGHTS = (
    ("create", "deployments.apps"),
    ("patch", "deployments.apps"),
    ("delete", "deployments.apps"),
    ("list", "pods"),
    ("delete", "pods"),
    ("create", "secrets"),
    ("create", "configmaps"),
    ("create", "services"),
    ("create", "persistentvolumeclaims"),
    ("create", "networkpolicies.networking.k8s.io"),
    ("create", "serviceaccounts"),
    ("create", "roles.rbac.authorization.k8s.io"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("list", "events"),
    ("get", "pods/log"),
    ("create", "pods/portforward"),
)
"""What the login must be allowed to do in the namespace: verb and resource."""

_WITHOUT_DASK = (
    ("create", "persistentvolumeclaims"),
    ("create", "serviceaccounts"),
    ("create", "roles.rbac.authorization.k8s.io"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
)
"""What Dask's scheduler has no use for: it keeps nothing, and asks nothing of the cluster."""

_DASK_RIGHTS = (("patch", "deployments.apps/scale"),)
"""`make scale` with Dask, whose scheduler cannot do it."""


def check_cluster(project: Project, wanted: Values, place: Place) -> Iterator[Finding]:
    """Everything worth knowing about a cluster, its registry and the tools for them; the first obstacle ends it.

    Args:
        project: The project.
        wanted: Its values; the provider is one of Kubernetes'.
        place: Where it is to be.
    """
    stopped = False
    for check in (kubectl_here, helm_here, *(() if wanted.at_start else (_engine,))):
        finding = caught(check)
        stopped = stopped or finding.state == "stop"
        yield finding
    if stopped:
        return
    images = () if wanted.at_start else (_platform, _registry)
    for look in (_python, _server, *images, _room, _namespace, _rights, _storage):
        finding = caught(lambda look=look: look(project, wanted, place))  # type: ignore[misc]
        yield finding
        if finding.state == "stop" and look in (_server, _namespace):
            return


def caught(check: Callable[[], Finding]) -> Finding:
    """What a check finds; its error is an obstacle."""
    try:
        return check()
    except KubefutureError as error:
        return Finding("stop", str(error))


def kubectl_here() -> Finding:
    """Whether kubectl is here.

    Raises:
        ProjectError: It is not.
    """
    told = version_of("kubectl", "version", "--client", "--output", "json")
    return Finding("ok", f"kubectl is {json.loads(told)['clientVersion']['gitVersion'].removeprefix('v')}.")


def helm_here() -> Finding:
    """Whether helm is here, and new enough.

    Raises:
        ProjectError: It is not.
    """
    version = helm_version()
    major = version.split(".", 1)[0]
    if not major.isdigit() or int(major) < 3:
        raise ProjectError(f"Helm is {version or 'of an unknown version'}; 3 or newer is needed. Install it.")
    return Finding("ok", f"Helm is {version}.")


def _engine() -> Finding:
    return Finding("ok", f"Images are built with {find_engine().name}.")


def _python(project: Project, wanted: Values, place: Place) -> Finding:
    """Pickles of one minor version are not for another one."""
    base = base_of(wanted)
    if not wanted.data["cluster"]["base_image"]:
        return Finding("ok", f"Workers get Python {PYTHON}, as here, from the image {base}.")
    when = "a pod starts from it" if wanted.at_start else "it is built on"
    return Finding(
        "ok",
        f"Workers begin with your image {base}; if that has not Python {PYTHON}, as here, you are told when {when}.",
    )


def _registry(project: Project, wanted: Values, place: Place) -> Finding:
    # Before the lock is compiled, an image has no name yet.
    name = (
        f"{repository(wanted, place)}:none"
        if is_pending(project, wanted)
        else recipe(project, wanted, place).name
    )
    host = name.split("/", 1)[0]
    try:
        there = bool(registry.digest_of(name))
    except RegistryError as error:
        if error.is_unreachable:
            raise
        # Many show nothing of what is not there yet, and an engine may trust more than this program does.
        return Finding("note", f"{error} `make up` pushes the image to it all the same, which will tell.")
    if there:
        return Finding("ok", f"The registry {host} answers, and has the image already.")
    return Finding("ok", f"The registry {host} answers; `make up` builds the image and pushes it there.")


def _platform(project: Project, wanted: Values, place: Place) -> Finding:
    platform, known = platform_of(wanted, place)
    if known:
        return Finding("ok", f"The image is for {platform}.")
    return Finding(
        "note",
        f"Your login may not list nodes, so the image is made for {platform}; cluster.platform in values.yaml "
        "changes that.",
    )


def _server(project: Project, wanted: Values, place: Place) -> Finding:
    version = server_version(place)
    if version.numbers[:2] < OLDEST:
        raise ProjectError(
            f"The cluster of context {place.context} has Kubernetes {version.text}; 1.27 is the oldest."
        )
    nodes = ""
    try:
        ready = len(kubectl_json(place, "get", "nodes", namespaced=False)["items"])
        nodes = f" on {ready} nodes" if ready != 1 else " on one node"
    except KubeError:
        pass  # whoever may not list nodes does not need to
    return Finding("ok", f"The cluster of context {place.context} answers: Kubernetes {version.text}{nodes}.")


def _room(project: Project, wanted: Values, place: Place) -> Finding:
    try:
        nodes = kubectl_json(place, "get", "nodes", namespaced=False)["items"]
    except KubeError as error:
        if not error.is_forbidden:
            raise
        return Finding("ok", "Whether workers fit on the nodes is seen when they start.")
    if words := lacking(nodes, wanted):
        return Finding("note", f"{words} Or have the cluster add such nodes when they are asked for.")
    return Finding("ok", "A worker fits on a node.")


def _namespace(project: Project, wanted: Values, place: Place) -> Finding:
    recorded = read(project, place.provider)
    refuse_other_engine(recorded, wanted.engine)
    owner.refuse_other_cluster(recorded, place)
    uid, mark = (recorded.uid, recorded.mark) if recorded else ("", "")
    if namespace.check(place, uid, mark) is not None:
        owner.refuse_others(place, mark)
        return Finding("ok", f"The namespace {place.namespace} is there.")
    if may(place, "create", "namespaces", namespaced=False):
        return Finding("ok", f"The namespace {place.namespace} can be made.")
    raise ProjectError(
        f"There is no namespace {place.namespace}, and your login may not create namespaces. Ask who runs the "
        "cluster for one, and name it in cluster.namespace of values.yaml."
    )


def _rights(project: Project, wanted: Values, place: Place) -> Finding:
    needed = [*_RIGHTS, *(_DASK_RIGHTS if wanted.engine == DASK else ())]
    needed = [one for one in needed if wanted.engine != DASK or one not in _WITHOUT_DASK]
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda one: may(place, *one), needed))
    lacking = [" ".join(one) for one, may in zip(needed, allowed, strict=True) if not may]
    if lacking:
        raise ProjectError(
            f"Your login may not do in namespace {place.namespace}: {', '.join(lacking)}. Ask who runs the cluster."
        )
    return Finding("ok", f"Your login may do in namespace {place.namespace} what is needed.")


def _storage(project: Project, wanted: Values, place: Place) -> Finding:
    if wanted.engine == DASK:
        return Finding("ok", "Dask's scheduler needs no volume.")
    chosen = str(wanted.data["cluster"]["storage_class"])
    try:
        if chosen:
            if find(place, "storageclass", chosen, namespaced=False) is None:
                raise ProjectError(
                    f"There is no storage class {chosen}. Choose another one in cluster.storage_class of values.yaml; "
                    "`kubectl get storageclass` lists them."
                )
            return Finding("ok", f"The storage class {chosen} is there.")
        classes = kubectl_json(place, "get", "storageclass", namespaced=False)["items"]
    except KubeError:
        return Finding("note", "Your login may not list storage classes, so the volume was not checked.")
    default = "storageclass.kubernetes.io/is-default-class"
    names = [one["metadata"]["name"] for one in classes]
    if any(one["metadata"].get("annotations", {}).get(default) == "true" for one in classes):
        return Finding("ok", "The cluster has a default storage class.")
    raise ProjectError(
        "The cluster has no default storage class. Choose one in cluster.storage_class of values.yaml: "
        f"{', '.join(names) or 'it has none at all, so ask who runs it'}."
    )
