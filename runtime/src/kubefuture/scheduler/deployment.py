"""The Kubernetes Deployment whose pods are the workers: how many there are to be, and which may go first.

A few requests, with the account that the pod is given, so Python's own HTTP will do. Pods that are told to go drain
(R17); those that run nothing are marked so that Kubernetes takes them first.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from ..protocol.messages import WorkerStatus

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_SECONDS = 10.0
_FIRST_TRIES = 3
"""How often a scheduler that starts asks: without the answer it is only slower."""
_LOOK_SECONDS = 3.0
_PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


class Deployment:
    """The workers' Deployment.

    Args:
        name: `NAMESPACE/NAME`.
        log: Takes one line for the log; called in a thread of its own.
        server: The API server's address; by default what the pod's environment says.
        account: The folder with the account's token and the API server's certificate.
    """

    def __init__(
        self, name: str, log: Callable[[str], None], server: str = "", account: Path = ACCOUNT
    ) -> None:
        self._namespace, _, self._name = name.partition("/")
        self._log = log
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
        self._server = server or f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._account = account
        self._news = threading.Condition()
        self._order: tuple[int, list[str]] | None = None
        threading.Thread(target=self._run, name="kubefuture-deployment", daemon=True).start()

    def scale(self, slots: int, workers: Sequence[WorkerStatus]) -> None:
        """Orders so many pods. Returns at once; what goes wrong is in the log, and tried again.

        Args:
            slots: How many.
            workers: Those that there are.
        """
        idle = [worker.host for worker in workers if not worker.busy]
        with self._news:
            self._order = slots, idle[: max(0, len(workers) - slots)]
            self._news.notify()

    def ordered(self) -> int | None:
        """How many pods there are to be; None if the API server does not say so soon. Takes seconds at most."""
        for attempt in range(_FIRST_TRIES):
            if attempt:
                time.sleep(_PAUSES[0])  # the network of a new pod may open a moment later
            try:
                scale = json.loads(self._request("GET", self._scale, seconds=_LOOK_SECONDS))
                return int(scale["spec"].get("replicas", 0))
            except (OSError, HTTPException, ValueError, KeyError) as error:
                reason = _reason(error)
        self._log(f"the API server does not say how many workers there are to be: {reason}")
        return None

    def has(self, pod: str) -> bool:
        """Whether a pod is there, if only to finish what it runs; True where the API server does not say.

        Args:
            pod: Its name. It may take seconds.
        """
        try:
            self._request("GET", f"/api/v1/namespaces/{self._namespace}/pods/{pod}", seconds=_LOOK_SECONDS)
        except HTTPError as error:
            return error.code != 404
        except (OSError, HTTPException, ValueError):
            pass
        return True

    def _run(self) -> None:
        tries = 0
        while True:
            with self._news:
                while self._order is None:
                    self._news.wait()
                order, self._order = self._order, None
            try:
                self._send(*order)
                tries = 0
            except (OSError, HTTPException, ValueError) as error:
                pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                tries += 1
                self._log(
                    f"the number of pods cannot be changed to {order[0]}: {_reason(error)}; "
                    f"the next try is in {pause:.0f} s"
                )
                with self._news:
                    if self._order is None and not self._news.wait(pause):
                        self._order = order

    def _send(self, slots: int, idle: Sequence[str]) -> None:
        for pod in idle:
            try:
                self._request(
                    "PATCH",
                    f"/api/v1/namespaces/{self._namespace}/pods/{pod}",
                    {"metadata": {"annotations": {DELETION_COST: "-100"}}},
                )
            except HTTPError as error:
                if error.code != 404:  # it is gone meanwhile
                    raise
        self._request("PATCH", self._scale, {"spec": {"replicas": slots}})

    @property
    def _scale(self) -> str:
        return f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{self._name}/scale"

    def _request(
        self, method: str, path: str, change: Mapping[str, object] | None = None, seconds: float = _SECONDS
    ) -> bytes:
        token = (self._account / "token").read_text(encoding="ascii").strip()
        request = urllib.request.Request(
            f"{self._server}{path}",
            data=None if change is None else json.dumps(change).encode(),
            method=method,
            headers={"Content-Type": "application/merge-patch+json", "Authorization": f"Bearer {token}"},
        )
        context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
        with urllib.request.urlopen(request, timeout=seconds, context=context) as answer:
            return bytes(answer.read())


def _reason(error: Exception) -> str:
    """What the API server says about it, if it does."""
    if isinstance(error, HTTPError):
        try:
            return str(json.loads(error.read())["message"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return str(error)
