{{- define "waferline.name" -}}
{{ printf "%s-%s" .Release.Name "waferline" | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "waferline.labels" -}}
app.kubernetes.io/name: waferline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "waferline.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "waferline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "waferline.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "waferline.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.model.claim }}
- name: model
  persistentVolumeClaim: {claimName: {{ .Values.model.claim | quote }}, readOnly: true}
{{- else if .Values.model.hostPath }}
- name: model
  hostPath: {path: {{ .Values.model.hostPath | quote }}, type: Directory}
{{- end }}
{{- end }}

{{- define "waferline.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if or .Values.model.claim .Values.model.hostPath }}
- {name: model, mountPath: /model, readOnly: true}
{{- end }}
{{- end }}

{{/* The volume of a Secret, and where it is mounted. */}}
{{- define "waferline.tlsVolume" -}}
- name: tls
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}

{{- define "waferline.tlsMount" -}}
- {name: tls, mountPath: /tls, readOnly: true}
{{- end }}

{{/* The Secret for etcd, and where it is mounted. */}}
{{- define "waferline.etcdVolume" -}}
- name: etcd-tls
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}

{{- define "waferline.etcdMount" -}}
- {name: etcd-tls, mountPath: /etcd-tls, readOnly: true}
{{- end }}

{{/* yes, if this release speaks TLS; links have two ends. */}}
{{- define "waferline.tls" -}}
{{- $front := .Values.tls.frontendSecret }}{{- $worker := .Values.tls.workerSecret }}
{{- if and .Values.workers.enabled (ne (empty $front) (empty $worker)) }}{{ fail "tls: with workers both frontendSecret and workerSecret are needed, or neither" }}{{ end }}
{{- if and $worker (not .Values.workers.enabled) }}{{ fail "tls.workerSecret: there are no workers" }}{{ end }}
{{- if $front }}yes{{ end }}
{{- end }}

{{- define "waferline.etcd" -}}
{{ required "etcd.endpoints: workers and standbys find each other there" (join "," .Values.etcd.endpoints) }}
{{- end }}

{{- define "waferline.cellular" -}}
{{- if or .Values.workers.enabled (gt (int .Values.frontend.replicas) 1) }}yes{{ end }}
{{- end }}

{{/* The front end's container, without what differs between a Deployment and a LeaderWorkerSet. */}}
{{- define "waferline.frontend" -}}
name: waferd
image: {{ include "waferline.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: CELL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['waferline.example/cell']"}}}
command: [sh, -c]
args:
  - >-
    exec waferd --config /config/server.yaml
    {{- if include "waferline.cellular" . }}
    --set cell.name=$CELL --set cell.id=$POD_NAME --set cell.advertise=$POD_IP:8080
    {{- end }}
ports:
  - {name: http, containerPort: 8080}
  - {name: grpc, containerPort: 50051}
{{- $scheme := ternary "HTTPS" "HTTP" (eq (include "waferline.tls" .) "yes") }}
startupProbe: {httpGet: {path: /live, port: http, scheme: {{ $scheme }}}, periodSeconds: 1, failureThreshold: 120}
livenessProbe: {httpGet: {path: /live, port: http, scheme: {{ $scheme }}}, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 3}
readinessProbe: {httpGet: {path: /ready, port: http, scheme: {{ $scheme }}}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 1}
lifecycle: {preStop: {sleep: {seconds: 5}}}
securityContext: {{- include "waferline.security" . | nindent 2 }}
resources: {{- toYaml .Values.frontend.resources | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /config, readOnly: true}
  {{- with .Values.tls.frontendSecret }}{{ include "waferline.tlsMount" . | nindent 2 }}{{ end }}
  {{- with .Values.etcd.secret }}{{ include "waferline.etcdMount" . | nindent 2 }}{{ end }}
  {{- include "waferline.mounts" . | nindent 2 }}
{{- end }}

{{/* A worker's container: `role` of (dict "root" . "role" ROLE), where ROLE is shell text that sets $flags. */}}
{{- define "waferline.worker" -}}
name: worker
image: {{ include "waferline.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
command: [sh, -c]
args:
  - >-
    {{ .role }}
    exec waferd $flags --model {{ .root.Values.model.path }} --threads {{ .root.Values.workers.threads }}
    --listen 0.0.0.0:7101 {{ ternary "--tls /tls" "--insecure" (eq (include "waferline.tls" .root) "yes") }} --advertise $POD_IP:7101 --worker-id $POD_NAME
    --probe 0.0.0.0:9101 --registry etcd={{ include "waferline.etcd" .root }} --cloud {{ .root.Values.etcd.cloud }}
    {{- if .root.Values.etcd.secret }} --registry-ca /etcd-tls/ca.crt --registry-cert /etcd-tls/tls.crt --registry-key /etcd-tls/tls.key{{ end }}
ports:
  - {name: link, containerPort: 7101}
  - {name: probe, containerPort: 9101}
startupProbe: {httpGet: {path: /ready, port: probe}, periodSeconds: 1, failureThreshold: 600}
readinessProbe: {httpGet: {path: /ready, port: probe}, periodSeconds: 2}
livenessProbe: {httpGet: {path: /live, port: probe}, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 3}
securityContext: {{- include "waferline.security" .root | nindent 2 }}
resources: {{- toYaml .root.Values.workers.resources | nindent 2 }}
volumeMounts:
  {{- with .root.Values.tls.workerSecret }}{{ include "waferline.tlsMount" . | nindent 2 }}{{ end }}
  {{- with .root.Values.etcd.secret }}{{ include "waferline.etcdMount" . | nindent 2 }}{{ end }}
  {{- include "waferline.mounts" .root | nindent 2 }}
{{- end }}

{{/* Sets $flags to those of a standby. */}}
{{- define "waferline.standbyFlags" -}}
flags="--role worker --sram-bytes {{ int64 .Values.workers.sramBytes }} --layers any";
{{- end }}

{{/* Sets $flags to those of shard $1 of a chain, by its place in $i. */}}
{{- define "waferline.shardFlags" -}}
flags="--role shard --sram-bytes {{ int64 .Values.workers.sramBytes }} --layers $(( {{ .Values.workers.layers }} * i / {{ .Values.workers.shards }} )):$(( {{ .Values.workers.layers }} * (i + 1) / {{ .Values.workers.shards }} ))";
{{- end }}
