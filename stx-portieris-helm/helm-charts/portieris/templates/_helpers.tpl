{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{/* What the Service and the Deployment select by. Never change it: the
selector of a Deployment cannot be altered. Older applications select by the
same two, so an update from them replaces pods one by one. */}}
{{- define "portieris.selectorLabels" -}}
app: portieris
release: {{ .Release.Name }}
{{- end }}

{{- define "portieris.podLabels" -}}
{{ include "portieris.selectorLabels" . }}
app.kubernetes.io/name: portieris
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "portieris.labels" -}}
{{ include "portieris.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The doctor's objects, which nothing may take for the server's. */}}
{{- define "portieris.doctorLabels" -}}
app.kubernetes.io/name: portieris-doctor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "portieris.image" -}}
{{- $image := .Values.image -}}
{{- if $image.repository -}}
{{- if hasPrefix "sha256:" (toString $image.tag) -}}
{{- $image.repository }}@{{ $image.tag -}}
{{- else -}}
{{- $image.repository }}:{{ $image.tag -}}
{{- end -}}
{{- else -}}
{{- .Values.images.tags.portieris -}}
{{- end -}}
{{- end }}

{{/* The CA bundle as PEM, from the first of the three names that is set. */}}
{{- define "portieris.trustedCA" -}}
{{- $given := .Values.trustedCA | default .Values.TrustedCACert | default .Values.caCert | default "" | trim -}}
{{- if or (not $given) (contains "-----BEGIN" $given) -}}
{{- $given -}}
{{- else -}}
{{- regexReplaceAll "\\s" $given "" | b64dec | trim -}}
{{- end -}}
{{- end }}

{{/* The exempt namespaces with the release's own, sorted, joined by commas. */}}
{{- define "portieris.exemptNamespaces" -}}
{{- append (.Values.exemptNamespaces | default list) .Release.Namespace | uniq | sortAlpha | join "," -}}
{{- end }}

{{/* Version of the Kubernetes API server, without what a distribution adds. */}}
{{- define "portieris.kubeVersion" -}}
{{- regexFind "[0-9]+\\.[0-9]+(\\.[0-9]+)?" .Capabilities.KubeVersion.GitVersion -}}
{{- end }}

{{/* cert-manager before 1.0, on StarlingX up to 6.0, has only old versions. */}}
{{- define "portieris.oldCertManager" -}}
{{- $apis := .Capabilities.APIVersions -}}
{{- if and ($apis.Has "cert-manager.io/v1alpha2") (not ($apis.Has "cert-manager.io/v1")) -}}
true
{{- end -}}
{{- end }}
