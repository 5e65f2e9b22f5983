"""The provider `kind`: a cluster of the project's own, whose nodes are containers on this machine.

names       what the cluster is called, and where its kubeconfig is
own         what is recorded of it
containers  its nodes, volumes and images, as docker or podman shows them
tool        the command `kind`, and what its errors mean
cluster     making it, starting it again, and refusing one that is not ours
images      putting the workers' image onto its nodes
ending      deleting it, and looking for what is left
checks      what it needs on this machine
"""
