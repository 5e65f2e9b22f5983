"""A project on Kubernetes, as the commands on a laptop see it: through kubectl and helm.

place       which cluster, namespace and release
commands    kubectl and helm, and what their errors mean
namespace   the project's own
secret      what opens the scheduler
"""
