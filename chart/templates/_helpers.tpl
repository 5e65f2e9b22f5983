{{/* The labels by which a part of this release is found. They never change. */}}
{{- define "kubefuture.selector" -}}
app.kubernetes.io/name: kubefuture
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* All labels of an object. Pods get the selector alone: a new version of the chart is no reason to start them again. */}}
{{- define "kubefuture.labels" -}}
{{ include "kubefuture.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | regexFind "^.*[A-Za-z0-9]" | quote }}
kubefuture-engine: {{ .Values.engine }}
{{- end -}}

{{/* Text of a user's in a container's command or environment, where Kubernetes would read $(NAME) and $$ its own way. */}}
{{- define "kubefuture.text" -}}
{{ . | replace "$" "$$" | quote }}
{{- end -}}

{{/* What restricted pods are: nobody special, and unable to become somebody. */}}
{{- define "kubefuture.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "kubefuture.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Environment variables from a map, each once. */}}
{{- define "kubefuture.env" -}}
{{- if not (hasKey . "HOME") }}
- name: HOME
  value: /home/kubefuture
{{- end }}
{{- range $name, $value := . }}
- name: {{ $name | quote }}
  value: {{ include "kubefuture.text" $value }}
{{- end }}
{{- end -}}

{{/* How long a pod stays bound to a node that does not answer. */}}
{{- define "kubefuture.tolerations" -}}
- key: node.kubernetes.io/not-ready
  operator: Exists
  effect: NoExecute
  tolerationSeconds: {{ int64 . }}
- key: node.kubernetes.io/unreachable
  operator: Exists
  effect: NoExecute
  tolerationSeconds: {{ int64 . }}
{{- end -}}

{{/* Folders that libraries write to, since the rest of the image is read-only. */}}
{{- define "kubefuture.scratchMounts" -}}
- name: run
  mountPath: /run/kubefuture
- name: scratch
  mountPath: /tmp
  subPath: tmp
- name: scratch
  mountPath: /home/kubefuture
  subPath: home
{{- if .Values.atStart.configMap }}
- name: packages
  mountPath: /opt/kubefuture
  readOnly: true
{{- end }}
{{- end -}}

{{- define "kubefuture.scratchVolumes" -}}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
- name: scratch
  emptyDir: {}
{{- with .Values.atStart }}
{{- if .configMap }}
- name: packages
  emptyDir: {}
- name: source
  configMap:
    name: {{ .configMap | quote }}
- name: index
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}

{{/* What opens a private registry. */}}
{{- define "kubefuture.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The secret of who logs in: without the key, which is the scheduler's alone. Dask's programs all show it. */}}
{{- define "kubefuture.peerAuth" -}}
- name: auth
  secret:
    secretName: {{ .Values.auth.secret | quote }}
    defaultMode: 0440
    items:
      - key: token
        path: token
      - key: tls.crt
        path: tls.crt
      {{- if eq .Values.engine "dask" }}
      - key: tls.key
        path: tls.key
      {{- end }}
{{- end -}}

{{/* Name servers, wherever they are: in the cluster, on the node, or the cloud's own. */}}
{{- define "kubefuture.nameServers" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}

{{/*
Where there is no image of the project's own, a container installs what requirements.lock says before the program starts.
It takes: root, and cpu, cpuLimit and memory of the program, so that the pod counts no more for it.
*/}}
{{- define "kubefuture.install" -}}
{{- $root := .root -}}
{{- with .root.Values.atStart }}
{{- if .configMap }}
initContainers:
  - name: install
    image: {{ $root.Values.image.reference | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command:
      - python3
      - -I
      - /etc/kubefuture-source/install.py
      - --python={{ .python }}
      - --from=/etc/kubefuture-source/{{ .archive }}
      - --into=/opt/kubefuture
      - --settings=/etc/kubefuture-index
    env:
      - name: HOME
        value: /home/kubefuture
      {{- range $name, $value := omit $root.Values.workers.env "HOME" "PATH" }}
      - name: {{ $name | quote }}
        value: {{ include "kubefuture.text" $value }}
      {{- end }}
    resources:
      requests:
        cpu: {{ $.cpu | quote }}
        memory: {{ $.memory | quote }}
      limits:
        cpu: {{ $.cpuLimit | quote }}
        memory: {{ $.memory | quote }}
    securityContext:
      {{- include "kubefuture.containerSecurity" $root | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      - name: packages
        mountPath: /opt/kubefuture
      - name: source
        mountPath: /etc/kubefuture-source
        readOnly: true
      - name: index
        mountPath: /etc/kubefuture-index
        readOnly: true
      - name: scratch
        mountPath: /tmp
        subPath: tmp
      - name: scratch
        mountPath: /home/kubefuture
        subPath: home
{{- end }}
{{- end }}
{{- end -}}

{{/* What an image of the project's own says by itself: the command, and where programs are. */}}
{{- define "kubefuture.command" -}}
{{- if .Values.atStart.configMap -}}
command: [/opt/kubefuture/bin/python, -P, -m, kubefuture.pod]
workingDir: /home/kubefuture
{{- end }}
{{- end -}}

{{- define "kubefuture.paths" -}}
{{- if and .root.Values.atStart.configMap (not (hasKey .env "PATH")) -}}
- name: PATH
  value: /opt/kubefuture/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
{{- end }}
{{- end -}}

{{/* The package index, where pods need it. */}}
{{- define "kubefuture.indexEgress" -}}
{{- range .Values.atStart.egress }}
- ports:
    - port: {{ int .port }}
      protocol: TCP
  {{- if .cidr }}
  to:
    - ipBlock:
        cidr: {{ .cidr | quote }}
  {{- else if eq (int .port) 80 }}
  # At this port clouds tell each pod how to log in as its node.
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [169.254.169.254/32]
  {{- end }}
{{- end }}
{{- end -}}
