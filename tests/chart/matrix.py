"""Values that the chart is tried with: each key in two ways, and texts that YAML or Kubernetes could misread."""

from __future__ import annotations

from typing import Any

ODD = {
    "PASSWORD": "a$$b$(HOME)$(ANY) $",
    "NO": "yes",
    "NUMBER": "1e3",
    "EMPTY": "",
    "BRACES": "{{ .Values.auth }} {% x %}",
    "LINES": "one: 1\n- two # no comment\n\ttab",
    "QUOTES": "\"double\" 'single' \\n \\",
    "LETTERS": "größer 研究 \u200b\u0001",
}
"""Environment variables whose text has to arrive as it is."""

PROJECT = 'Ann\'s study: 100% #1 $(HOME) $$ {{ x }} "q" --help'
"""A project's name, which is that of a folder."""


def values(**more: Any) -> dict[str, Any]:
    """The least that the chart wants, and more."""
    least = {
        "image": {"reference": "registry.example.org:5000/ann/study:0123456789abcdef"},
        "auth": {"secret": "study-auth"},
    }
    return {**least, **more}


MATRIX: dict[str, dict[str, Any]] = {
    "least": values(),
    "nobody": values(workers={"count": 0}),
    "many": values(
        workers={"count": 1000000, "awaySeconds": 1000000, "drainSeconds": 86400, "threadsPerSlot": 64},
        scheduler={"awaySeconds": 1000000},
    ),
    "sizes": values(
        scheduler={
            "cpu": 2,
            "cpuLimit": 4.5,
            "memory": "512M",
            "volume": {"size": "1.5Ti", "storageClass": "standard"},
        },
        workers={"cpu": 0.5, "memory": "0.5Gi", "sharedMemory": "64Mi"},
    ),
    "chosen-nodes": values(
        workers={
            "gpu": 2,
            "gpuResource": "amd.com/gpu",
            "nodeSelector": {"example.com/spot": "true", "rack": "7"},
            "tolerations": [
                {"key": "cloud.google.com/gke-spot", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "capacity", "operator": "Equal", "value": "1e3"},
            ],
        }
    ),
    "texts": values(
        project=PROJECT,
        auth={"secret": "study-auth", "version": "0012345678"},
        workers={"env": {**ODD, "HOME": "/var/tmp"}},
        scheduler={"env": ODD},
    ),
    "private-registry": values(
        image={"reference": "localhost/x", "pullPolicy": "Always", "pullSecrets": ["123", "two"]}
    ),
    "secrets": values(workers={"envFrom": ["database-login", "123"], "env": {"SURVEY": "2024"}}),
    "network": values(
        networkPolicy={
            "egress": [
                {"cidr": "10.0.0.0/8", "ports": [5432, 443]},
                {"cidr": "0.0.0.0/0"},
                {"cidr": "::/0", "ports": []},
            ],
            "apiServer": {"cidrs": ["10.0.0.1/32", "fd00::1/128"], "ports": [16443]},
        }
    ),
    "dask": values(engine="dask", project=PROJECT, workers={"env": ODD, "drainSeconds": 1000000}),
    "packages-at-start": values(
        atStart={
            "configMap": "study-packages-0123",
            "archive": "packages.tar.gz",
            "python": "3.11",
            "secret": "study-index",
            "egress": [
                {"cidr": "10.0.0.7/32", "port": 3128},
                {"cidr": "", "port": 443},
                {"cidr": "", "port": 80},
            ],
        },
        workers={"env": ODD, "envFrom": ["database-login"]},
        scheduler={"nodeSelector": {"kubernetes.io/arch": "amd64"}},
    ),
    "open-network": values(networkPolicy={"enabled": False}),
}
"""By name; each is merged into the chart's own values."""

LONG = "a-name-of-fifty-three-letters-which-is-the-most-1e300"
"""As long as Helm allows a release to be named."""
