// Package k8s holds no code: its tests build deploy/k8s as kustomize does, decode the result as strictly as an API
// server would, and hold it against rules that a cluster would only show when it is too late.
package k8s
