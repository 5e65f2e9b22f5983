"""Objects as a real API server shows them."""

from __future__ import annotations

from typing import Any

RELEASE = "study"
LABELS = {"app.kubernetes.io/name": "kubefuture", "app.kubernetes.io/instance": RELEASE}


def pod(
    name: str,
    component: str = "worker",
    *,
    node: str = "node-1",
    made: str = "2026-01-01T00:00:00Z",
    ready: bool = True,
    waiting: str = "",
    restarts: int = 0,
    message: str = "",
    going: bool = False,
    container: str = "",
) -> dict[str, Any]:
    """A pod."""
    state: dict[str, Any] = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": message}} if restarts else {}
    status: dict[str, Any] = {"phase": "Running" if node else "Pending"}
    if node:
        status["containerStatuses"] = [
            {
                "name": component,
                "ready": ready and not waiting,
                "restartCount": restarts,
                "state": state,
                "lastState": last,
                "containerID": container or f"containerd://{name}-{restarts}",
            }
        ]
    resources = {"requests": {"cpu": "250m", "memory": "256Mi"}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {**LABELS, "app.kubernetes.io/component": component},
            "creationTimestamp": made,
            **({"deletionTimestamp": made} if going else {}),
        },
        "spec": {
            **({"nodeName": node} if node else {}),
            "containers": [{"name": component, "image": "r.example/study:1", "resources": resources}],
        },
        "status": status,
    }


def deployment(component: str, wanted: int = 1) -> dict[str, Any]:
    """A Deployment."""
    return {
        "kind": "Deployment",
        "metadata": {
            "name": f"{RELEASE}-{component}",
            "labels": {**LABELS, "app.kubernetes.io/component": component},
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
        },
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 1},
    }


def claim(size: str = "10Gi") -> dict[str, Any]:
    """A PersistentVolumeClaim."""
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"{RELEASE}-scheduler", "labels": LABELS},
        "spec": {"resources": {"requests": {"storage": size}}},
        "status": {"phase": "Bound"},
    }
