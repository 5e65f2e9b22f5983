"""Looks for what a deployment has left, in the cluster and in the registry."""

from __future__ import annotations

from ..core.connection import DASK
from ..project.errors import ProjectError
from ..project.proof import Proof
from . import namespace, owner, registry, volumes
from .commands import KubeError, kubectl_json
from .place import LABEL
from .record import ClusterRecord

_KINDS = (
    "pods,deployments,replicasets,jobs,services,persistentvolumeclaims,configmaps,secrets,networkpolicies"
)
_NATIVE_KINDS = f"{_KINDS},roles,rolebindings,serviceaccounts"
"""Dask's scheduler asks nothing of the cluster, so that a login may have no rights on these."""


def look(record: ClusterRecord) -> Proof:
    """Looks at everything that could be left.

    Args:
        record: What was put where.
    """
    proof = Proof()
    try:
        kubectl_json(record.place, "version", namespaced=False)
    except KubeError as error:
        proof.unchecked.append(
            f"{error} If that cluster is gone for good, remove .kubefuture/deployed/{record.provider}.yaml."
        )
        _images(record, proof)
        return proof
    _namespaces(record, proof)
    _objects(record, proof)
    if record.engine != DASK:  # which has no volume
        _volumes(record, proof)
    _images(record, proof)
    return proof


def _namespaces(record: ClusterRecord, proof: Proof) -> None:
    place = record.place
    proof.looked.append(f"namespaces of {place.slug} in context {place.context}")
    try:
        found = kubectl_json(
            place, "get", "namespaces", "--selector", f"{LABEL}={place.slug}", namespaced=False
        )
    except KubeError as error:
        if record.made or not error.is_forbidden:
            proof.unchecked.append(str(error))
        return  # a login for one namespace made no other one
    for one in found["items"]:
        there = namespace.seen(one)
        if record.is_of(there):
            proof.left.append(f"namespace {one['metadata']['name']}")


def _objects(record: ClusterRecord, proof: Proof) -> None:
    """What is in a namespace that stays; with one of our own, all that is in it goes."""
    place = record.place
    if record.made or _is_others(record):
        return
    proof.looked.append(
        f"pods, volumes, secrets and all else of {place.release} in namespace {place.namespace}"
    )
    kinds = _KINDS if record.engine == DASK else _NATIVE_KINDS
    for selector in (place.selector, f"{LABEL}={place.slug}", f"name={place.release},owner=helm"):
        try:
            found = kubectl_json(place, "get", kinds, "--selector", selector)
        except KubeError as error:
            proof.unchecked.append(str(error))
            return
        proof.left += [f"{one['kind'].lower()} {one['metadata']['name']}" for one in found["items"]]


def _is_others(record: ClusterRecord) -> bool:
    try:
        return owner.is_others(record)
    except KubeError:
        return False  # what cannot be told is said when all of it is looked at


def _volumes(record: ClusterRecord, proof: Proof) -> None:
    place = record.place
    try:
        found = volumes.claimed(place)
    except KubeError as error:
        if not error.is_forbidden:
            proof.unchecked.append(f"volumes, which belong to the whole cluster: {error}")
            return
        # Its claim was looked for with the rest of the namespace, and a volume goes with its claim.
        proof.looked.append(f"the claim {volumes.claim_of(place)}, whose volume your login may not see")
        return
    proof.looked.append(f"volumes of namespace {place.namespace}")
    for one in found:
        why = " (its storage class keeps volumes; delete it by hand)" if volumes.is_kept(one) else ""
        proof.left.append(f"volume {one['metadata']['name']}{why}")


def _images(record: ClusterRecord, proof: Proof) -> None:
    for image in record.images:
        proof.looked.append(f"image {image}")
        try:
            if registry.digest_of(image):
                proof.left.append(
                    f"image {image} (its registry did not delete it; do it on the registry's page)"
                )
        except ProjectError as error:
            proof.unchecked.append(f"image {image}: {error}")
